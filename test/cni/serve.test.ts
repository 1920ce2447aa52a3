import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CniError, codes } from '../../src/cni/errors.ts';
import type { Environment } from '../../src/cni/environment.ts';
import type { Result } from '../../src/cni/result.ts';
import { aboutLine, serve } from '../../src/cni/serve.ts';
import type { PluginIo, PluginVerbs } from '../../src/cni/serve.ts';
import { supportedVersions } from '../../src/cni/versions.ts';

const address: Result = { interfaces: [], ips: [{ address: '10.1.0.2/24' }], routes: [], dns: {} };
const attached = {
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/var/run/netns/c1',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
};
const conf = (change: Record<string, unknown> = {}) =>
  JSON.stringify({ name: 'net', type: 'test', cniVersion: '1.1.0', prevResult: {}, ...change });

interface Setting {
  env?: Environment;
  stdin?: string;
  verbs?: Partial<PluginVerbs>;
  io?: Partial<PluginIo>;
}

/** Runs a plugin whose verbs only note that they were called. */
async function play(command: string, { env = {}, stdin = conf(), verbs = {}, io = {} }: Setting = {}) {
  const seen = { calls: [] as string[], stdout: '', stderr: '' };
  const note = async ({ verb }: { verb: string }) => void seen.calls.push(verb);
  const plugin = {
    name: 'test',
    about: aboutLine('test', '1.2.3'),
    verbs: {
      add: async (request: { verb: string }) => (await note(request), address),
      del: note,
      check: note,
      gc: note,
      status: note,
      ...verbs,
    },
  };
  const status = await serve(plugin, {
    env: { CNI_COMMAND: command, ...attached, ...env },
    readStdin: async () => stdin,
    stdout: (text) => void (seen.stdout += text),
    stderr: (text) => void (seen.stderr += text),
    ...io,
  });
  return { status, ...seen };
}

const failing = (error: unknown) => async () => {
  throw error;
};

describe('dispatch', () => {
  test.each(['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'])('%s calls its verb and no other one', async (command) => {
    const { status, calls } = await play(command);
    expect([status, calls]).toEqual([0, [command]]);
  });

  test.each(['DEL', 'CHECK', 'GC', 'STATUS'])('%s prints nothing when it succeeds', async (command) => {
    const { stdout, stderr } = await play(command);
    expect([stdout, stderr]).toEqual(['', '']);
  });

  test('GC tells the verb which attachments are valid', async () => {
    const lists: unknown[] = [];
    await play('GC', {
      stdin: conf({ 'cni.dev/valid-attachments': [] }),
      verbs: { gc: async ({ validAttachments }) => void lists.push(validAttachments) },
    });
    expect(lists).toEqual([{ kind: 'list', attachments: [] }]);
  });

  test('DEL says on stderr that it goes on without a prevResult that it cannot read', async () => {
    const { status, stderr, calls } = await play('DEL', { stdin: conf({ prevResult: 'x' }) });
    expect([status, stderr, calls]).toEqual([
      0,
      'Going on without "prevResult": Invalid "prevResult": it is "x", an object is expected\n',
      ['DEL'],
    ]);
  });
});

describe('ADD', () => {
  test('prints with four spaces and no newline at the end', async () => {
    const { stdout } = await play('ADD');
    expect(stdout).toBe(
      '{\n    "cniVersion": "1.1.0",\n    "ips": [\n        {\n            "address": "10.1.0.2/24"\n        }\n    ]\n}',
    );
  });

  test.each(supportedVersions)('[%s] prints the version of the configuration', async (cniVersion) => {
    const { stdout } = await play('ADD', { stdin: conf({ cniVersion }) });
    expect(JSON.parse(stdout)).toMatchObject({ cniVersion });
  });

  test('[0.1.0] is the version of a configuration that has none', async () => {
    const { stdout } = await play('ADD', { stdin: '{"name": "net"}' });
    expect(JSON.parse(stdout)).toEqual({ cniVersion: '0.1.0', ip4: { ip: '10.1.0.2/24' }, dns: {} });
  });

  test.each(supportedVersions)('[%s] passes a prevResult through unchanged', async (cniVersion) => {
    const prevResult = { cniVersion, ips: [], odd: { b: 1, a: [null] } };
    const { stdout } = await play('ADD', {
      stdin: conf({ cniVersion, prevResult }),
      verbs: { add: async ({ config }) => ({ passThrough: config.raw['prevResult'] }) },
    });
    expect(JSON.stringify(JSON.parse(stdout))).toBe(JSON.stringify(prevResult));
  });

  test.each([{}, null, undefined])('gives %j that passes through the version that it lacks', async (passThrough) => {
    const { stdout } = await play('ADD', {
      stdin: conf({ cniVersion: '0.4.0' }),
      verbs: { add: async () => ({ passThrough }) },
    });
    expect(JSON.parse(stdout)).toEqual({ cniVersion: '0.4.0' });
  });

  test('is undone when its result cannot be told in the version of the configuration', async () => {
    const { status, stdout, calls } = await play('ADD', {
      stdin: conf({ cniVersion: '0.2.0' }),
      verbs: { add: async () => ({ ...address, ips: [] }) },
    });
    expect([status, calls, JSON.parse(stdout)]).toEqual([
      1,
      ['DEL'],
      expect.objectContaining({ code: 7, cniVersion: '0.2.0' }),
    ]);
  });

  test('reports the first error when undoing it fails', async () => {
    const { stdout, stderr } = await play('ADD', {
      stdin: conf({ cniVersion: '0.2.0' }),
      verbs: { add: async () => ({ ...address, ips: [] }), del: failing(new Error('no')) },
    });
    expect([JSON.parse(stdout), stderr]).toEqual([expect.objectContaining({ code: 7 }), 'Cannot undo the ADD: no\n']);
  });
});

describe('errors', () => {
  test.each(['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'])(
    '%s that throws a CniError prints it and exits with 1',
    async (command) => {
      const thrown = failing(new CniError(codes.notAvailable, 'no nft', 'install it'));
      const { status, stdout, stderr } = await play(command, {
        verbs: { add: thrown, del: thrown, check: thrown, gc: thrown, status: thrown },
      });
      expect([status, stdout, stderr]).toEqual([
        1,
        '{\n    "cniVersion": "1.1.0",\n    "code": 50,\n    "msg": "no nft",\n    "details": "install it"\n}',
        '',
      ]);
    },
  );

  test('an error without a code becomes 999, its stack on stderr', async () => {
    const { status, stdout, stderr } = await play('DEL', { verbs: { del: failing(new TypeError('banana')) } });
    expect([status, JSON.parse(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 999, msg: 'banana' }]);
    expect(stderr).toMatch(/^TypeError: banana\n +at /);
  });

  test('stdin that cannot be read is code 5', async () => {
    const { status, stdout, calls } = await play('ADD', { io: { readStdin: failing(new Error('banana')) } });
    expect([status, JSON.parse(stdout), calls]).toEqual([
      1,
      { cniVersion: '1.1.0', code: 5, msg: 'error reading from stdin: banana' },
      [],
    ]);
  });

  test.each<[string, string, string, Setting]>([
    ['an unknown command', '4', 'NOPE', {}],
    ['a missing variable', '4', 'ADD', { env: { CNI_IFNAME: '' } }],
    ['a bad container ID', '4', 'ADD', { env: { CNI_CONTAINERID: '../c' } }],
    ['a bad interface name', '4', 'DEL', { env: { CNI_IFNAME: 'a/b' } }],
    ['stdin that is no JSON', '6', 'ADD', { stdin: '{' }],
    ['a missing network name', '7', 'ADD', { stdin: '{"cniVersion": "1.1.0"}' }],
    ['a bad network name', '7', 'GC', { stdin: conf({ name: 'te%%st' }) }],
    ['an unknown version', '1', 'ADD', { stdin: conf({ cniVersion: '9.8.7' }) }],
    ['a version without the verb', '1', 'STATUS', { stdin: conf({ cniVersion: '1.0.0' }) }],
    ['a CHECK without prevResult', '7', 'CHECK', { stdin: conf({ prevResult: null }) }],
  ])('%s is code %s and calls no verb', async (_, code, command, setting) => {
    const { status, stdout, calls } = await play(command, setting);
    expect([status, calls, JSON.parse(stdout)]).toEqual([1, [], expect.objectContaining({ code: Number(code) })]);
  });

  test.each([
    ['that of the configuration', conf({ cniVersion: '0.3.1', name: '' }), '0.3.1'],
    ['that of the configuration, even if we do not speak it', conf({ cniVersion: '9.8.7' }), '9.8.7'],
    ['0.1.0 when the configuration has none', '{"name": ""}', '0.1.0'],
    ['our newest when there is no configuration', '{', '1.1.0'],
    ['our newest when the configuration is a list', '[]', '1.1.0'],
    ['our newest when it is no string', '{"cniVersion": 1}', '1.1.0'],
  ])('cniVersion of an error is %s', async (_, stdin, cniVersion) => {
    const { stdout } = await play('ADD', { stdin });
    expect(JSON.parse(stdout)).toMatchObject({ cniVersion });
  });
});

describe('the own network namespace', () => {
  const own = { ownNetns: (path: string) => path === attached.CNI_NETNS };

  test.each([
    ['ADD', 'before the verb is called', []],
    ['DEL', 'after the verb was called without it', ['DEL']],
  ])('%s refuses it with code 8 %s', async (command, _, called) => {
    const { status, stdout, calls } = await play(command, { io: own });
    expect([status, calls, JSON.parse(stdout)]).toEqual([
      1,
      called,
      expect.objectContaining({ code: 8, msg: "plugin's netns and netns from CNI_NETNS should not be the same" }),
    ]);
  });

  test.each(['CHECK', 'GC', 'STATUS'])('%s does not look at it', async (command) => {
    expect((await play(command, { io: own })).status).toBe(0);
  });

  test.each(['1', 'TRUE', 'true'])('CNI_NETNS_OVERRIDE=%s allows it', async (override) => {
    expect((await play('ADD', { io: own, env: { CNI_NETNS_OVERRIDE: override } })).calls).toEqual(['ADD']);
  });

  test.each(['', '0', 'FALSE'])('CNI_NETNS_OVERRIDE=%s does not allow it', async (override) => {
    expect((await play('ADD', { io: own, env: { CNI_NETNS_OVERRIDE: override } })).calls).toEqual([]);
  });

  test('DEL with an empty CNI_NETNS is not compared', async () => {
    expect((await play('DEL', { io: { ownNetns: () => true }, env: { CNI_NETNS: '' } })).calls).toEqual(['DEL']);
  });

  test('another one passes', async () => {
    expect((await play('ADD', { io: { ownNetns: async () => false } })).calls).toEqual(['ADD']);
  });
});

describe('VERSION', () => {
  const version = async (setting: Setting) => (await play('VERSION', setting)).stdout;

  test.each(supportedVersions)('[%s] echoes the asked version and lists all', async (cniVersion) => {
    expect(await version({ stdin: JSON.stringify({ cniVersion }) })).toBe(
      `${JSON.stringify({ cniVersion, supportedVersions })}\n`,
    );
  });

  test.each(['', '{', '[]', '{"cniVersion": "new"}', '{"cniVersion": 1}', '{}'])(
    'answers with the newest version when stdin is %j',
    async (stdin) => {
      expect(JSON.parse(await version({ stdin }))).toEqual({ cniVersion: '1.1.0', supportedVersions });
    },
  );

  test('echoes a version that we do not speak', async () => {
    expect(JSON.parse(await version({ stdin: '{"cniVersion": "9.8.7"}' }))).toEqual({
      cniVersion: '9.8.7',
      supportedVersions,
    });
  });

  test('needs no variable but CNI_COMMAND', async () => {
    const { status, calls } = await play('VERSION', {
      env: { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '', CNI_PATH: '' },
      stdin: '',
    });
    expect([status, calls]).toEqual([0, []]);
  });

  test('answers when stdin stays open', async () => {
    expect(JSON.parse(await version({ io: { readStdin: () => new Promise(() => {}) } }))).toMatchObject({
      cniVersion: '1.1.0',
    });
  });

  test('answers when stdin cannot be read', async () => {
    expect(JSON.parse(await version({ io: { readStdin: failing(new Error('closed')) } }))).toMatchObject({
      cniVersion: '1.1.0',
    });
  });
});

describe('called with nothing set', () => {
  test.each(['', undefined])('CNI_COMMAND %j prints the about line on stderr and exits with 0', async (command) => {
    const { status, stdout, stderr, calls } = await play('', {
      env: { CNI_COMMAND: command },
      io: { readStdin: () => new Promise(() => {}) },
    });
    expect([status, stdout, stderr, calls]).toEqual([
      0,
      '',
      'CNI test plugin v1.2.3\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n',
      [],
    ]);
  });
});

test('whatever comes in, the answer is exit 0, or exit 1 with one error object on stdout', async () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('c1', 'eth0', '/x'));
  const command = fc.oneof(fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS'), fc.string({ minLength: 1 }));
  const stdin = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .dictionary(
        fc.constantFrom('name', 'cniVersion', 'prevResult', 'cni.dev/attachments'),
        fc.oneof(fc.jsonValue(), fc.constant('1.1.0')),
      )
      .map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(
      command,
      fc.dictionary(fc.constantFrom(...Object.keys(attached)), text),
      stdin,
      async (verb, env, input) => {
        const { status, stdout } = await play(verb, { env, stdin: input });
        if (status === 0) return;
        expect(status).toBe(1);
        expect(JSON.parse(stdout)).toEqual(
          expect.objectContaining({
            cniVersion: expect.any(String) as string,
            code: expect.any(Number) as number,
            msg: expect.stringMatching(/./) as string,
          }),
        );
      },
    ),
    { numRuns: 200 },
  );
});
