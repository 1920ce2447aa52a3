import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CniError } from '../../src/cni/errors.ts';
import { longestConfig, parseRequest } from '../../src/cni/request.ts';
import type { Environment } from '../../src/cni/environment.ts';
import type { AttachmentRequest, GcRequest } from '../../src/cni/request.ts';
import { supportedVersions } from '../../src/cni/versions.ts';

const attached = {
  CNI_CONTAINERID: 'some-container-id',
  CNI_NETNS: '/some/netns/path',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'some;extra;args',
  CNI_PATH: '/some/cni/path',
};
const env = (verb: string, change: Environment = {}): Environment => ({ CNI_COMMAND: verb, ...attached, ...change });
const conf = (change: Record<string, unknown> = {}) =>
  JSON.stringify({ name: 'skel-test', type: 'drawbridge', cniVersion: '1.1.0', prevResult: {}, ...change });
const parse = (verb: string, change: Environment = {}, confChange: Record<string, unknown> = {}) =>
  parseRequest(env(verb, change), conf(confChange));

describe('what a request holds', () => {
  test.each(['ADD', 'DEL', 'CHECK'] as const)('%s has the attachment, the path and the arguments', (verb) => {
    expect(parse(verb, { CNI_PATH: '/opt/cni/bin::/usr/lib/cni' })).toMatchObject({
      verb,
      id: { network: 'skel-test', containerId: 'some-container-id', ifname: 'eth0' },
      netns: '/some/netns/path',
      path: ['/opt/cni/bin', '/usr/lib/cni'],
      args: { malformed: ['some', 'extra', 'args'] },
      argsText: 'some;extra;args',
      config: { cniVersion: '1.1.0', name: 'skel-test', type: 'drawbridge' },
    });
  });

  test('the configuration keeps the keys that no one here knows', () => {
    expect(parse('ADD', {}, { bridge: 'br0' }).config.raw).toMatchObject({ bridge: 'br0' });
  });

  test('keys of the configuration are matched in any case', () => {
    expect(parseRequest(env('ADD'), '{"CNIVersion": "0.4.0", "Name": "n", "TYPE": "t"}').config).toMatchObject({
      cniVersion: '0.4.0',
      name: 'n',
      type: 't',
    });
  });

  test.each(['', undefined])('a cniVersion that is %j means 0.1.0', (cniVersion) => {
    expect(parse('ADD', {}, { cniVersion, prevResult: undefined }).config.cniVersion).toBe('0.1.0');
  });

  test('nerdctl: a DEL with an empty CNI_NETNS and no prevResult is a request', () => {
    const request = parse(
      'DEL',
      { CNI_NETNS: '', CNI_CONTAINERID: `default-${'a1'.repeat(32)}` },
      { prevResult: undefined },
    ) as AttachmentRequest;
    expect([request.netns, request.prevResult]).toEqual(['', undefined]);
  });
});

describe('required variables', () => {
  const required = {
    CNI_CONTAINERID: ['ADD', 'DEL', 'CHECK'],
    CNI_NETNS: ['ADD', 'CHECK'],
    CNI_IFNAME: ['ADD', 'DEL', 'CHECK'],
    CNI_ARGS: [],
  };
  const cells = Object.entries(required).flatMap(([variable, verbs]: [string, string[]]) =>
    ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'].map((verb) => ({ verb, variable, needed: verbs.includes(verb) })),
  );

  test.each(cells.filter(({ needed }) => needed))('$verb needs $variable', ({ verb, variable }) => {
    expect(() => parse(verb, { [variable]: undefined })).toThrow(
      expect.objectContaining({ code: 4, message: `required env variables [${variable}] missing` }),
    );
  });

  test.each(cells.filter(({ needed }) => !needed))('$verb does without $variable', ({ verb, variable }) => {
    expect(parse(verb, { [variable]: '' }).verb).toBe(verb);
  });

  test('GC and STATUS do without everything', () => {
    const bare = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '', CNI_ARGS: '' };
    expect([parse('GC', bare).verb, parse('STATUS', bare).verb]).toEqual(['GC', 'STATUS']);
  });

  test('all that are missing are listed, not just the first', () => {
    expect(() => parse('ADD', { CNI_NETNS: undefined, CNI_IFNAME: '' })).toThrow(
      expect.objectContaining({ code: 4, message: 'required env variables [CNI_NETNS,CNI_IFNAME] missing' }),
    );
  });

  test('a missing variable is reported before a configuration that is not JSON', () => {
    expect(() => parseRequest(env('ADD', { CNI_NETNS: '' }), 'nope')).toThrow(expect.objectContaining({ code: 4 }));
  });

  test.each(['NOPE', 'add', 'toString', '__proto__'])('CNI_COMMAND %j is unknown', (verb) => {
    expect(() => parse(verb)).toThrow(expect.objectContaining({ code: 4, message: `unknown CNI_COMMAND: ${verb}` }));
  });

  test('CNI_COMMAND that is empty is missing', () => {
    expect(() => parse('')).toThrow(
      expect.objectContaining({ code: 4, message: 'required env variables [CNI_COMMAND] missing' }),
    );
  });
});

describe('names', () => {
  const safe = ['a', '0', 'a.b_c-D', `default-${'0'.repeat(64)}`, 'x'.repeat(255)];
  const unsafe = [
    '.',
    '..',
    '../x',
    '/etc',
    'a/b',
    'some-%%container-id',
    '-a',
    '_a',
    'a b',
    'a\n',
    'a\0',
    'ä',
    '.hidden',
  ];

  test.each(safe)('CNI_CONTAINERID %j is valid', (id) => {
    expect((parse('ADD', { CNI_CONTAINERID: id }) as AttachmentRequest).id.containerId).toBe(id);
  });

  test.each(unsafe)('CNI_CONTAINERID %j is refused with code 4', (id) => {
    expect(() => parse('DEL', { CNI_CONTAINERID: id })).toThrow(
      expect.objectContaining({
        code: 4,
        message: expect.stringContaining('invalid characters in containerID') as string,
      }),
    );
  });

  test.each(safe)('network name %j is valid', (name) => {
    expect(parse('STATUS', {}, { name }).config.name).toBe(name);
  });

  test.each(unsafe)('network name %j is refused with code 7', (name) => {
    expect(() => parse('GC', {}, { name })).toThrow(
      expect.objectContaining({
        code: 7,
        message: expect.stringContaining('invalid characters found in network name') as string,
      }),
    );
  });

  test.each(['', undefined, null])('network name %j is missing', (name) => {
    expect(() => parse('ADD', {}, { name })).toThrow(
      expect.objectContaining({ code: 7, message: 'missing network name' }),
    );
  });

  test.each(['eth0', 'a', '123456789012345', 'net.1', 'größe', '...'])('CNI_IFNAME %j is valid', (name) => {
    expect((parse('ADD', { CNI_IFNAME: name }) as AttachmentRequest).id.ifname).toBe(name);
  });

  test.each<[string, string]>([
    ['1234567890123456', 'interface name is too long'],
    ['.', 'interface name is . or ..'],
    ['..', 'interface name is . or ..'],
    ['test/test', 'interface name contains / or : or whitespace characters'],
    ['test:test', 'interface name contains / or : or whitespace characters'],
    ['test test', 'interface name contains / or : or whitespace characters'],
    ['test\u00a0x', 'interface name contains / or : or whitespace characters'],
    ['test\u0085x', 'interface name contains / or : or whitespace characters'],
    ['eth%d', 'interface name contains a character with a meaning of its own'],
    ['eth"0', 'interface name contains a character with a meaning of its own'],
    ['eth#0', 'interface name contains a character with a meaning of its own'],
    ['eth\u0007', 'interface name contains a character with a meaning of its own'],
  ])('CNI_IFNAME %j is refused with code 4', (name, problem) => {
    expect(() => parse('ADD', { CNI_IFNAME: name })).toThrow(
      expect.objectContaining({ code: 4, message: `Invalid "CNI_IFNAME": ${problem}: ${JSON.stringify(name)}` }),
    );
  });

  test('the length of CNI_IFNAME counts in bytes', () => {
    expect(() => parse('ADD', { CNI_IFNAME: 'öööööööö' })).toThrow('interface name is too long');
  });

  test('GC does not look at names that it does not use', () => {
    expect(parse('GC', { CNI_CONTAINERID: '../x', CNI_IFNAME: 'a/b' }).verb).toBe('GC');
  });
});

describe('stdin', () => {
  test.each(['', ' ', '{', '[1', 'nope', '{"name": "x",}', '\uFEFF{"name": "x"}'])(
    '%j is refused with code 6',
    (stdin) => {
      expect(() => parseRequest(env('ADD'), stdin)).toThrow(
        expect.objectContaining({ code: 6, message: 'Cannot decode the network configuration: it is not JSON' }),
      );
    },
  );

  test.each(['[]', '5', '"x"', 'true', '{"name": 5}', '{"name": "x", "cniVersion": 1}'])(
    '%s, which is JSON of a wrong shape, is refused with code 6',
    (stdin) => {
      expect(() => parseRequest(env('ADD'), stdin)).toThrow(expect.objectContaining({ code: 6 }));
    },
  );

  test('null is a configuration without a name', () => {
    expect(() => parseRequest(env('ADD'), 'null')).toThrow(
      expect.objectContaining({ code: 7, message: 'missing network name' }),
    );
  });

  test('a configuration beyond the limit is refused with code 6', () => {
    expect(() => parseRequest(env('ADD'), conf({ pad: 'x'.repeat(longestConfig) }))).toThrow(
      expect.objectContaining({ code: 6, message: expect.stringContaining('longer than') as string }),
    );
  });

  test('a configuration nested very deep gets an answer', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(() => parseRequest(env('ADD'), `{"name": "x", "type": ${deep}}`)).toThrow(CniError);
  });

  test('a type that is no string is refused with code 7', () => {
    expect(() => parse('ADD', {}, { type: 5 })).toThrow(
      expect.objectContaining({ code: 7, message: 'Invalid "type": it is 5, a string is expected' }),
    );
  });
});

describe('versions', () => {
  const since = { ADD: '0.1.0', DEL: '0.1.0', CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };
  const cells = Object.entries(since).flatMap(([verb, first]) =>
    supportedVersions.map((cniVersion) => ({ verb, cniVersion, allowed: cniVersion >= first })),
  );

  test.each(cells.filter(({ allowed }) => allowed))('[$cniVersion] allows $verb', ({ verb, cniVersion }) => {
    expect(parse(verb, {}, { cniVersion }).config.cniVersion).toBe(cniVersion);
  });

  test.each(cells.filter(({ allowed }) => !allowed))('[$cniVersion] does not allow $verb', ({ verb, cniVersion }) => {
    expect(() => parse(verb, {}, { cniVersion })).toThrow(
      expect.objectContaining({ code: 1, message: `config version does not allow ${verb}` }),
    );
  });

  test('a configuration without a version does not allow CHECK', () => {
    expect(() => parse('CHECK', {}, { cniVersion: undefined })).toThrow(expect.objectContaining({ code: 1 }));
  });

  test.each(['9.8.7', '1.2.0', '1.0', '0.3.2', 'adsfsadf'])('ADD refuses version %j with code 1', (cniVersion) => {
    expect(() => parse('ADD', {}, { cniVersion })).toThrow(
      expect.objectContaining({
        code: 1,
        message: 'incompatible CNI versions',
        details: `config is "${cniVersion}", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
      }),
    );
  });

  test.each(['CHECK', 'GC', 'STATUS'])('%s refuses a version that cannot be compared with code 6', (verb) => {
    expect(() => parse(verb, {}, { cniVersion: 'adsfsadf' })).toThrow(expect.objectContaining({ code: 6 }));
  });

  test('CHECK refuses a version newer than ours with code 1', () => {
    expect(() => parse('CHECK', {}, { cniVersion: '9.8.7' })).toThrow(
      expect.objectContaining({ code: 1, message: 'incompatible CNI versions' }),
    );
  });
});

describe('prevResult', () => {
  test.each(supportedVersions)('[%s] is read in the shape of the version', (cniVersion) => {
    const old = { ip4: { ip: '10.1.0.2/24', gateway: '10.1.0.1' } };
    const prevResult = {
      cniVersion,
      ...(cniVersion < '0.3.0' ? old : { ips: [{ address: '10.1.0.2/24', gateway: '10.1.0.1' }] }),
    };
    expect((parse('ADD', {}, { cniVersion, prevResult }) as AttachmentRequest).prevResult?.ips).toEqual([
      { address: '10.1.0.2/24', gateway: '10.1.0.1' },
    ]);
  });

  test('CHECK without one is refused with code 7', () => {
    expect(() => parse('CHECK', {}, { prevResult: null })).toThrow(
      expect.objectContaining({ code: 7, message: 'Cannot check the attachment: "prevResult" is missing' }),
    );
  });

  test.each(['ADD', 'CHECK'])('%s refuses one that cannot be read with code 7', (verb) => {
    expect(() => parse(verb, {}, { prevResult: { ips: [{ address: 'x' }] } })).toThrow(
      expect.objectContaining({
        code: 7,
        message: 'Invalid "prevResult.ips[0].address": it is "x", an address with prefix length is expected',
      }),
    );
  });

  test('ADD refuses one of another shape than the configuration has', () => {
    expect(() => parse('ADD', {}, { prevResult: { cniVersion: '0.4.0' } })).toThrow(
      expect.objectContaining({
        code: 7,
        message: 'Invalid "prevResult": result type supports [1.0.0 1.1.0] but unmarshalled CNIVersion is "0.4.0"',
      }),
    );
  });

  test('DEL goes on without one that cannot be read, and says why', () => {
    const request = parse('DEL', {}, { prevResult: { ips: 5 } }) as AttachmentRequest;
    expect([request.prevResult, request.prevResultError?.message]).toEqual([
      undefined,
      'Invalid "prevResult.ips": it is 5, a list is expected',
    ]);
  });
});

describe('valid attachments of GC', () => {
  const gc = (change: Record<string, unknown>) => (parse('GC', {}, change) as GcRequest).validAttachments;
  const one = { containerID: 'c1', ifname: 'eth0' };
  const two = { containerID: 'c2', ifname: 'eth0' };

  test('are absent when no key tells them', () => {
    expect(gc({})).toEqual({ kind: 'absent' });
  });

  test.each([[null], [[]]])('are an empty list when the key is %j', (list) => {
    expect(gc({ 'cni.dev/valid-attachments': list })).toEqual({ kind: 'list', attachments: [] });
  });

  test.each(['cni.dev/valid-attachments', 'cni.dev/attachments'])('are read from %s', (key) => {
    expect(gc({ [key]: [one] })).toEqual({
      kind: 'list',
      attachments: [{ network: 'skel-test', containerId: 'c1', ifname: 'eth0' }],
    });
  });

  test('are named once when both keys name them, as libcni does', () => {
    expect(gc({ 'cni.dev/valid-attachments': [one], 'cni.dev/attachments': [one] })).toMatchObject({
      attachments: [{ containerId: 'c1' }],
    });
  });

  test('are those of both keys when they differ', () => {
    expect(gc({ 'cni.dev/valid-attachments': null, 'cni.dev/attachments': [one, two] })).toMatchObject({
      attachments: [{ containerId: 'c1' }, { containerId: 'c2' }],
    });
  });

  test.each([[[{ containerID: 'c1' }]], [[{ ...one, containerID: '' }]], [[null]], ['c1'], [[one, 5]]])(
    'are refused whole with code 7 when they are %j',
    (list) => {
      expect(() => gc({ 'cni.dev/valid-attachments': list })).toThrow(expect.objectContaining({ code: 7 }));
    },
  );
});

describe('parseRequest() throws nothing but CniError', () => {
  const holds = (environment: Environment, stdin: string) => {
    const outcome = attempt(environment, stdin);
    expect('verb' in outcome || outcome instanceof CniError).toBe(true);
  };
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '',
      'ADD',
      'DEL',
      'CHECK',
      'GC',
      'STATUS',
      'eth0',
      'c1',
      '/var/run/netns/x',
      'IP=10.0.0.2;IgnoreUnknown=1',
    ),
  );
  const names = ['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS', 'CNI_PATH'];

  test('for any environment', () => {
    fc.assert(fc.property(fc.dictionary(fc.constantFrom(...names), text), (environment) => holds(environment, conf())));
  });

  test('for any stdin', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS'),
        fc.oneof(fc.json(), fc.string()),
        (verb, stdin) => holds(env(verb), stdin),
      ),
    );
  });

  test('for any value under every key that is read', () => {
    const keys = [
      'name',
      'type',
      'cniVersion',
      'prevResult',
      'cni.dev/valid-attachments',
      'cni.dev/attachments',
      '__proto__',
      'Name',
    ];
    const result = fc.record(
      {
        cniVersion: fc.jsonValue(),
        ips: fc.jsonValue(),
        ip4: fc.jsonValue(),
        routes: fc.jsonValue(),
        interfaces: fc.jsonValue(),
        dns: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const value = fc.oneof(fc.jsonValue(), result, fc.array(result), fc.constantFrom(...supportedVersions));
    fc.assert(
      fc.property(
        fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS'),
        fc.dictionary(fc.constantFrom(...keys), value),
        (verb, change) => holds(env(verb), conf(change)),
      ),
      { numRuns: 500 },
    );
  });
});

test('no name that parseRequest() lets pass leaves the folder that it is put into', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '\\', '-', '0', '\0', '\n') }), (name) => {
      const outcome = attempt(env('STATUS'), conf({ name }));
      expect(outcome instanceof CniError || /^[a-z0-9][^/\\\0\n]*$/.test(name)).toBe(true);
    }),
  );
});

/** The request, or whatever was thrown. */
function attempt(environment: Environment, stdin: string): object {
  try {
    return parseRequest(environment, stdin);
  } catch (error) {
    return error instanceof Error ? error : new Error('thrown', { cause: error });
  }
}
