import { mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from './stage.ts';
import type { Actor } from './stage.ts';

let stage: Stage;
let actor: Actor;
let number = 0;

beforeAll(async () => {
  stage = new Stage();
  actor = stage.actor();
  await actor.call('list', stage.folder, 'none');
});
afterAll(() => stage[Symbol.asyncDispose]());

/** A network of its own for each test. */
function network() {
  const name = `net${++number}`;
  const folder = `${stage.folder}/${name}`;
  return {
    name,
    folder,
    ipam: (rest: Record<string, unknown>) => ({ dataDir: stage.folder, ...rest }),
    who: (containerId: string, ifname = 'eth0') => ({ network: name, containerId, ifname }),
    leases: () => readdirSync(folder).filter((file) => /^[0-9a-f:.]+$/.test(file)),
    put: (file: string, content: string, age = 0) => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/${file}`, content);
      const then = Date.now() / 1000 - age;
      utimesSync(`${folder}/${file}`, then, then);
    },
  };
}

const small = { subnet: '10.1.0.0/29' };

describe('reserve()', () => {
  test('gives one address of each set with the length of its subnet and its gateway', async () => {
    const { ipam, who } = network();
    expect(
      await actor.call(
        'reserve',
        ipam({ ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64', gateway: 'fd00::9' }]] }),
        who('c1'),
      ),
    ).toEqual([
      { address: '10.1.0.2/24', gateway: '10.1.0.1' },
      { address: 'fd00::1/64', gateway: 'fd00::9' },
    ]);
  });

  test('writes the reference file by byte, name, mode and marker', async () => {
    const { ipam, who, folder } = network();
    await actor.call(
      'reserve',
      ipam({ ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00:0:0::/64' }]] }),
      who('c1'),
    );
    expect(readdirSync(folder).toSorted()).toEqual(['10.1.0.2', 'fd00::2', 'last_reserved_ip.0', 'last_reserved_ip.1']);
    expect(readFileSync(`${folder}/10.1.0.2`, 'utf8')).toBe('c1\r\neth0');
    expect(readFileSync(`${folder}/last_reserved_ip.1`, 'utf8')).toBe('fd00::2');
    expect(readdirSync(folder).map((file) => statSync(`${folder}/${file}`).mode & 0o777)).toEqual([
      0o600, 0o600, 0o600, 0o600,
    ]);
    expect(statSync(folder).mode & 0o777).toBe(0o755);
  });

  test('goes on after the last address although earlier ones are free again', async () => {
    const { ipam, who, name } = network();
    await actor.call('reserve', ipam(small), who('c1'));
    await actor.call('release', stage.folder, who('c1'), ['10.1.0.2']);
    expect(await actor.call('reserve', ipam(small), who('c2'))).toMatchObject([{ address: '10.1.0.3/29' }]);
    expect(await actor.call('list', stage.folder, name)).toEqual([
      { address: '10.1.0.3', containerId: 'c2', ifname: 'eth0' },
    ]);
  });

  test('names the set, its size and the folder when every address is leased', async () => {
    const { ipam, who, folder } = network();
    for (let index = 0; index < 5; index++) await actor.call('reserve', ipam(small), who(`c${index}`));
    await expect(actor.call('reserve', ipam(small), who('c9'))).rejects.toMatchObject({
      code: 101,
      message: 'Cannot reserve an address in "10.1.0.0/29": all 5 are leased',
      details: `"drawbridge list" shows who holds them; each is a file in "${folder}" that names its container`,
    });
  });

  test('gives back the address of the first set when the second has none left', async () => {
    const { ipam, who, leases } = network();
    const both = ipam({ ranges: [[small], [{ subnet: '10.2.0.0/30' }]] });
    await actor.call('reserve', both, who('c1'));
    await expect(actor.call('reserve', both, who('c2'))).rejects.toMatchObject({ code: 101 });
    expect(leases().toSorted()).toEqual(['10.1.0.2', '10.2.0.2']);
  });

  test('gives the requested address and names its holder when it is taken', async () => {
    const { ipam, who } = network();
    expect(await actor.call('reserve', ipam(small), who('c1'), ['10.1.0.4/29'])).toMatchObject([
      { address: '10.1.0.4/29' },
    ]);
    await expect(actor.call('reserve', ipam(small), who('c2'), ['10.1.0.4'])).rejects.toMatchObject({
      code: 102,
      message: 'Cannot reserve the requested address "10.1.0.4": container "c1" (eth0) holds it',
    });
  });

  test('takes an address whose file has been empty for long', async () => {
    const { ipam, who, put } = network();
    put('10.1.0.2', '', 60);
    expect(await actor.call('reserve', ipam(small), who('c1'))).toMatchObject([{ address: '10.1.0.2/29' }]);
  });

  test('leaves an address whose file is empty and new: the reference is about to write it', async () => {
    const { ipam, who, put } = network();
    put('10.1.0.2', '');
    expect(await actor.call('reserve', ipam(small), who('c1'))).toMatchObject([{ address: '10.1.0.3/29' }]);
  });

  test('finds the empty file among more leases than it tries one by one', async () => {
    const { ipam, who, put } = network();
    for (let host = 2; host < 255; host++) put(`10.1.0.${host}`, 'other\r\neth0');
    put('10.1.0.200', '', 60);
    expect(await actor.call('reserve', ipam({ subnet: '10.1.0.0/24' }), who('c1'))).toMatchObject([
      { address: '10.1.0.200/24' },
    ]);
  });

  test('starts at the first address when the marker holds something else', async () => {
    const { ipam, who, put } = network();
    put('last_reserved_ip.0', 'nonsense');
    expect(await actor.call('reserve', ipam(small), who('c1'))).toMatchObject([{ address: '10.1.0.2/29' }]);
  });

  test('refuses a network name that leads out of the folder', async () => {
    await expect(
      actor.call(
        'reserve',
        { dataDir: stage.folder, ...small },
        { network: '../x', containerId: 'c1', ifname: 'eth0' },
      ),
    ).rejects.toMatchObject({ code: 7 });
  });

  test('says which path cannot be made', async () => {
    writeFileSync(`${stage.folder}/file`, '');
    await expect(
      actor.call('reserve', { dataDir: `${stage.folder}/file`, ...small }, network().who('c1')),
    ).rejects.toMatchObject({ code: 5 });
  });
});

describe('reserve() on a host that cannot be written', () => {
  test.each(['/run/drawbridge', '/var/lib/drawbridge'])('says that %s cannot, and takes nothing', async (path) => {
    await using broken = new Stage();
    const lonely = broken.actor();
    await lonely.call('list', broken.folder, 'none');
    writeFileSync(broken.inside(path), 'a file in the way');
    await expect(
      lonely.call(
        'reserve',
        { dataDir: broken.folder, ...small },
        { network: 'net', containerId: 'c1', ifname: 'eth0' },
      ),
    ).rejects.toMatchObject({ code: 5, message: expect.stringContaining(`"${path}/`) as string });
    expect(readdirSync(`${broken.folder}/net`)).toEqual([]);
  });
});

describe('release()', () => {
  test('leaves an address that belongs to somebody else by now', async () => {
    const { ipam, who, leases } = network();
    await actor.call('reserve', ipam(small), who('c2'));
    expect(await actor.call('release', stage.folder, who('c1'), ['10.1.0.2'])).toEqual([]);
    expect(leases()).toEqual(['10.1.0.2']);
  });

  test('finds leases that no record knows, and those of other interfaces stay', async () => {
    const { ipam, who } = network();
    await actor.call('reserve', ipam(small), who('c1', 'eth0'));
    await actor.call('reserve', ipam(small), who('c1', 'eth1'));
    expect(await actor.call('release', stage.folder, who('c1', 'eth0'))).toEqual(['10.1.0.2']);
    expect(await actor.call('leasesOf', stage.folder, who('c1', 'eth1'))).toEqual(['10.1.0.3']);
  });

  test.each(['c1', 'c1\n', ' c1 \r\neth0\r\n', 'c1\neth0'])(
    'removes an old or loosely written lease: %j',
    async (content) => {
      const { who, put } = network();
      put('10.1.0.2', content);
      expect(await actor.call('release', stage.folder, who('c1'))).toEqual(['10.1.0.2']);
    },
  );

  test('is silent when there is no such network', async () => {
    expect(await actor.call('release', stage.folder, network().who('c1'))).toEqual([]);
  });
});

describe('checkLeases()', () => {
  test('names the lease that is missing and the one that another container has', async () => {
    const { ipam, who, folder } = network();
    await actor.call('reserve', ipam(small), who('c1'));
    expect(await actor.call('checkLeases', stage.folder, who('c1'), ['10.1.0.2'])).toEqual([]);
    expect(await actor.call('checkLeases', stage.folder, who('c2'), ['10.1.0.2', '10.1.0.3'])).toEqual([
      `lease "10.1.0.2" in "${folder}" is held by container "c1"`,
      `lease "10.1.0.3" is missing in "${folder}"`,
    ]);
  });
});

describe('collect()', () => {
  test('removes the leases of containers that are gone and nothing else', async () => {
    const { ipam, who, put, name, folder } = network();
    await actor.call('reserve', ipam(small), who('c1'));
    await actor.call('reserve', ipam(small), who('c2'));
    put('lock', '');
    put('10.1.0.6', '', 60);
    expect(await actor.call('collect', stage.folder, name, ['c2'])).toEqual([
      { address: '10.1.0.2', containerId: 'c1', ifname: 'eth0' },
    ]);
    expect(readdirSync(folder).toSorted()).toEqual(['10.1.0.3', 'last_reserved_ip.0', 'lock']);
  });
});

describe('fullSets()', () => {
  test('names a set without a free address, not counting files that have been empty for long', async () => {
    const { ipam, put, name, who } = network();
    await actor.call('reserve', ipam(small), who('c0'));
    for (let host = 3; host < 7; host++) put(`10.1.0.${host}`, 'c\r\neth0');
    expect(await actor.call('fullSets', ipam(small), name)).toEqual(['10.1.0.0/29']);
    put('10.1.0.4', '', 60);
    expect(await actor.call('fullSets', ipam(small), name)).toEqual([]);
  });
});

describe('a reboot', () => {
  /** The boot before this one, as the stamp would tell it, in which the network was used `ago` seconds ago. */
  function pretendReboot(ago: number): void {
    const folder = stage.inside('/var/lib/drawbridge/boot');
    for (const file of readdirSync(folder)) {
      const stamp = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as object;
      writeFileSync(`${folder}/${file}`, JSON.stringify({ ...stamp, bootId: 'an earlier one' }));
      // The millisecond after the last lease, which holds its time to the nanosecond; and that one has to be over.
      const then = Date.now() + 1 - ago * 1000;
      utimesSync(`${folder}/${file}`, then / 1000, then / 1000);
      while (Date.now() <= then);
    }
  }

  test('frees every lease from before it', async () => {
    const { ipam, who, leases } = network();
    await actor.call('reserve', ipam(small), who('c1'));
    await actor.call('reserve', ipam(small), who('c2'));
    pretendReboot(0);
    await actor.call('reserve', ipam(small), who('c3'));
    expect(leases()).toEqual(['10.1.0.4']);
  });

  test('leaves what was made after the last use, and is over after the first reservation', async () => {
    const { ipam, who, leases, put } = network();
    await actor.call('reserve', ipam(small), who('c1'));
    pretendReboot(600);
    put('10.1.0.5', 'of the reference\r\neth0');
    await actor.call('reserve', ipam(small), who('c2'));
    await actor.call('reserve', ipam(small), who('c3'));
    expect(leases().toSorted()).toEqual(['10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5']);
  });

  test('frees a full pool for STATUS', async () => {
    const { ipam, who, name } = network();
    for (let index = 0; index < 5; index++) await actor.call('reserve', ipam(small), who(`c${index}`));
    expect(await actor.call('fullSets', ipam(small), name)).toHaveLength(1);
    pretendReboot(0);
    expect(await actor.call('fullSets', ipam(small), name)).toEqual([]);
  });
});
