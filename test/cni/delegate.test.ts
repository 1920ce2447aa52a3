import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  delegateAdd,
  delegateCheck,
  delegateDel,
  delegateGc,
  delegateStatus,
  delegationOf,
  findPlugin,
} from '../../src/cni/delegate.ts';
import type { Delegation } from '../../src/cni/delegate.ts';
import { parseRequest } from '../../src/cni/request.ts';
import { supportedVersions } from '../../src/cni/versions.ts';

let folder: string;
let heard: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'delegate-'));
  heard = '';
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Installs a shell script as a plugin; `$0.log` beside it takes what it wants to be remembered. */
function install(type: string, script: string, where = folder): void {
  writeFileSync(join(where, type), `#!/bin/sh\n${script}\n`);
  chmodSync(join(where, type), 0o755);
}

const log = (type = 'static') => readFileSync(join(folder, `${type}.log`), 'utf8');

const logCommand = 'echo "$CNI_COMMAND" >> "$0.log"';

function delegation(change: Partial<Delegation> = {}): Delegation {
  return {
    type: 'static',
    path: [folder],
    conf: '{"name": "net"}',
    cniVersion: '1.1.0',
    id: { network: 'net', containerId: 'c1', ifname: 'eth0' },
    netns: '/var/run/netns/c1',
    args: 'IP=10.0.0.2',
    stderr: (text) => void (heard += text),
    ...change,
  };
}

describe('findPlugin()', () => {
  test('takes the first folder that has the file', () => {
    for (const name of ['a', 'b', 'c']) mkdirSync(join(folder, name));
    install('static', '', join(folder, 'b'));
    install('static', '', join(folder, 'c'));
    expect(findPlugin({ type: 'static', path: ['a', 'b', 'c', 'none'].map((name) => join(folder, name)) })).toBe(
      join(folder, 'b/static'),
    );
  });

  test('passes over a folder of that name', () => {
    mkdirSync(join(folder, 'a'));
    mkdirSync(join(folder, 'a/static'));
    install('static', '');
    expect(findPlugin({ type: 'static', path: [join(folder, 'a'), folder] })).toBe(join(folder, 'static'));
  });

  test('follows a symbolic link to a file', () => {
    install('multi', '');
    symlinkSync('multi', join(folder, 'static'));
    expect(findPlugin({ type: 'static', path: [folder] })).toBe(join(folder, 'static'));
  });

  test('passes over a symbolic link to nothing', () => {
    symlinkSync('gone', join(folder, 'static'));
    expect(() => findPlugin({ type: 'static', path: [folder] })).toThrow(
      expect.objectContaining({ code: 7, message: `Cannot find plugin "static": it is not in "${folder}"` }),
    );
  });

  test('says so when CNI_PATH is empty', () => {
    expect(() => findPlugin({ type: 'static', path: [] })).toThrow(
      expect.objectContaining({ code: 4, message: 'required env variables [CNI_PATH] missing' }),
    );
  });

  test.each(['', '.', '..', '../static', '/bin/sh', 'a/b', 'a\\b', 'a\0'])('refuses type %j with code 7', (type) => {
    expect(() => findPlugin({ type, path: [folder] })).toThrow(
      expect.objectContaining({
        code: 7,
        message: `Invalid plugin type ${JSON.stringify(type)}: the name of a file is expected`,
      }),
    );
  });
});

describe('what the plugin is told', () => {
  test('the environment is ours, with the verb set', async () => {
    install('static', 'env | grep ^CNI_ | sort > "$0.log"; echo null');
    await delegateAdd(delegation());
    expect(log()).toBe(
      `CNI_ARGS=IP=10.0.0.2\nCNI_COMMAND=ADD\nCNI_CONTAINERID=c1\nCNI_IFNAME=eth0\nCNI_NETNS=/var/run/netns/c1\nCNI_PATH=${folder}\n`,
    );
  });

  test('variables that do not apply are empty, not absent', async () => {
    install('static', 'env | grep ^CNI_ | sort > "$0.log"');
    const { id: _, netns: __, args: ___, ...network } = delegation();
    await delegateGc(network);
    expect(log()).toBe(`CNI_ARGS=\nCNI_COMMAND=GC\nCNI_CONTAINERID=\nCNI_IFNAME=\nCNI_NETNS=\nCNI_PATH=${folder}\n`);
  });

  test('stdin is the whole configuration, byte for byte', async () => {
    install('static', 'cat > "$0.log"');
    const stdin = '{ "name":"net",\n "cniVersion": "1.1.0", "big": 18446744073709551615, "ipam": {"type": "static"} }';
    const request = parseRequest(
      { CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_PATH: folder, CNI_NETNS: '' },
      stdin,
    );
    await delegateDel(delegationOf(request, 'static'));
    expect(log()).toBe(stdin);
  });

  test('delegationOf() a request for the network names no attachment', () => {
    const request = parseRequest({ CNI_COMMAND: 'STATUS', CNI_PATH: folder }, '{"name": "net", "cniVersion": "1.1.0"}');
    expect(delegationOf(request, 'static')).not.toHaveProperty('id');
  });

  test('an ADD can be undone with the request that asked for it', async () => {
    install('static', logCommand);
    const request = parseRequest(
      { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_PATH: folder, CNI_NETNS: '/x' },
      '{"name": "net"}',
    );
    await delegateDel(delegationOf(request, 'static'));
    expect(log()).toBe('DEL\n');
  });
});

describe('what the plugin answers', () => {
  test.each(supportedVersions)('[%s] delegateAdd() reads the result', async (cniVersion) => {
    const wire =
      cniVersion < '0.3.0'
        ? { cniVersion, ip4: { ip: '10.0.0.2/8' } }
        : { cniVersion, ips: [{ address: '10.0.0.2/8' }] };
    install('static', `echo '${JSON.stringify(wire)}'`);
    expect(await delegateAdd(delegation({ cniVersion }))).toMatchObject({
      interfaces: [],
      ips: [{ address: '10.0.0.2/8' }],
    });
  });

  test('delegateAdd() reads null as an empty result', async () => {
    install('static', 'echo null');
    expect(await delegateAdd(delegation())).toEqual({ interfaces: [], ips: [], routes: [], dns: {} });
  });

  test.each([
    ['nothing', '', 'it printed nothing'],
    ['text', 'hello', 'line 1, column 1: a value is expected, and there is "hello"'],
  ])('delegateAdd() refuses %s with code 6', async (_, text, details) => {
    install('static', `printf '${text}'`);
    await expect(delegateAdd(delegation())).rejects.toMatchObject({
      code: 6,
      message: 'Cannot decode the result of plugin "static": it is not JSON',
      details,
    });
  });

  test.each([
    ['0.2.0', { ip4: { ip: '10.1.0.5/24', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0' }] } }],
    ['0.4.0', { ips: [{ version: '4', address: '10.1.0.5/24', gateway: '10.1.0.1' }], routes: [{ dst: '0.0.0.0/0' }] }],
    ['1.0.0', { ips: [{ address: '10.1.0.5/24', gateway: '10.1.0.1' }], routes: [{ dst: '0.0.0.0/0' }] }],
  ])('delegateAdd() converts a result of version %s', async (cniVersion, result) => {
    install('static', `echo '${JSON.stringify({ cniVersion, ...result })}'`);
    expect(await delegateAdd(delegation())).toMatchObject({
      ips: [{ address: '10.1.0.5/24', gateway: '10.1.0.1' }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
  });

  test('delegateAdd() refuses a result of a version that nobody speaks with code 6', async () => {
    install('static', `echo '{"cniVersion": "9.0.0"}'`);
    await expect(delegateAdd(delegation())).rejects.toMatchObject({
      code: 6,
      message: expect.stringContaining('Invalid "result of static": result type supports') as string,
    });
  });

  test('an error object keeps its code, text and details', async () => {
    install('static', `echo '{"cniVersion": "1.1.0", "code": 11, "msg": "try later", "details": "soon"}'; exit 1`);
    await expect(delegateCheck(delegation())).rejects.toMatchObject({
      code: 11,
      message: 'Plugin "static" failed on CHECK: try later',
      details: 'soon',
    });
  });

  test('an error object without a code is code 999', async () => {
    install('static', `echo '{"msg": "broken"}'; exit 1`);
    await expect(delegateDel(delegation())).rejects.toMatchObject({
      code: 999,
      message: 'Plugin "static" failed on DEL: broken',
    });
  });

  test('a failure without an error object is code 100 with what is on stderr', async () => {
    install('static', 'echo oops >&2; exit 3');
    await expect(delegateDel(delegation())).rejects.toMatchObject({
      code: 100,
      message: expect.stringContaining('exit status 3: oops') as string,
    });
  });

  test.each([0, 1])('stderr is forwarded when the exit status is %i', async (status) => {
    install('static', `echo for people >&2; exit ${status}`);
    await delegateDel(delegation()).catch(() => {});
    expect(heard).toBe('for people\n');
  });

  test('a failed ADD is followed by DEL before the error comes', async () => {
    install('static', `${logCommand}; echo '{"code": 101, "msg": "full"}'; exit 1`);
    await expect(delegateAdd(delegation())).rejects.toMatchObject({
      code: 101,
      message: 'Plugin "static" failed on ADD: full',
    });
    expect(log()).toBe('ADD\nDEL\n');
  });

  test('a result that cannot be read is followed by DEL, too', async () => {
    install('static', logCommand);
    await expect(delegateAdd(delegation())).rejects.toMatchObject({ code: 6 });
    expect(log()).toBe('ADD\nDEL\n');
  });
});

describe('versions', () => {
  const verbs = {
    CHECK: { run: delegateCheck, since: '0.4.0' },
    GC: { run: delegateGc, since: '1.1.0' },
    STATUS: { run: delegateStatus, since: '1.1.0' },
  };
  const cells = Object.entries(verbs).flatMap(([verb, { run, since }]) =>
    supportedVersions.map((cniVersion) => ({ verb, run, cniVersion, ran: cniVersion >= since })),
  );

  test.each(cells.filter(({ ran }) => ran))('[$cniVersion] $verb is delegated', async ({ verb, run, cniVersion }) => {
    install('static', logCommand);
    await run(delegation({ cniVersion }));
    expect(log()).toBe(`${verb}\n`);
  });

  test.each(cells.filter(({ ran }) => !ran))('[$cniVersion] $verb does nothing', async ({ run, cniVersion }) => {
    await expect(run(delegation({ cniVersion, path: [] }))).resolves.toBeUndefined();
  });
});

test('delegateStatus() of a plugin that is not there is code 50', async () => {
  await expect(delegateStatus(delegation())).rejects.toMatchObject({
    code: 50,
    message: `Cannot find plugin "static": it is not in "${folder}"`,
  });
});

test('a file that is still being written is tried again', async () => {
  install('static', logCommand);
  const writing = openSync(join(folder, 'static'), 'r+');
  setTimeout(() => closeSync(writing), 120);
  await delegateDel(delegation());
  expect(log()).toBe('DEL\n');
});

test('a plugin that was killed is not started again', async () => {
  install('static', `${logCommand}; kill -9 $$`);
  await expect(delegateDel(delegation())).rejects.toMatchObject({ code: 100 });
  expect(log()).toBe('DEL\n');
});

test('a plugin that delegates to its own type is refused', async () => {
  install('static', 'echo "$DRAWBRIDGE_DELEGATED_TYPE" > "$0.log"');
  await delegateDel(delegation());
  process.env['DRAWBRIDGE_DELEGATED_TYPE'] = log().trim();
  try {
    await expect(delegateDel(delegation())).rejects.toMatchObject({
      code: 7,
      message: 'Invalid plugin type "static": it delegates to itself',
    });
  } finally {
    delete process.env['DRAWBRIDGE_DELEGATED_TYPE'];
  }
});
