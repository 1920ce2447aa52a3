import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../../src/digest/sha256.ts';
import { addressOf } from '../../src/ip/prefix.ts';
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

/** A network of its own for each test, of five addresses of IPv4 unless it says otherwise. */
function network(...subnets: string[]) {
  const name = `net${++number}`;
  const folder = `${stage.folder}/${name}`;
  const ranges = (subnets.length === 0 ? ['10.1.0.0/29'] : subnets).map((subnet) => [{ subnet }]);
  const who = (containerId: string) => ({ network: name, containerId, ifname: 'eth0' });
  return {
    folder,
    kept: () => stage.inside(`/var/lib/drawbridge/sticky/${sha256(folder).slice(0, 16)}.json`),
    /** Addresses that a container of this name gets. */
    start: async (
      containerId: string,
      keptFor?: string,
      { ips = [], by = actor }: { ips?: string[]; by?: Actor } = {},
    ) => {
      const given = await by.call('reserve', { dataDir: stage.folder, ranges }, who(containerId), ips, keptFor);
      return given.map(({ address }) => addressOf(address));
    },
    stop: async (containerId: string, by = actor) => by.call('release', stage.folder, who(containerId)),
  };
}

describe('addresses that are kept for a container', () => {
  test('are given to it again, in both families, under another id', async () => {
    const { start, stop } = network('10.1.0.0/24', 'fd01::/64');
    const first = await start('a', 'web');
    await stop('a');
    await start('b', 'db');
    await start('c');
    expect(await start('d', 'web')).toEqual(first);
  });

  test('are not given to others while there are others', async () => {
    const { start, stop } = network();
    expect(await start('a', 'web')).toEqual(['10.1.0.2']);
    await stop('a');
    for (const address of ['10.1.0.3', '10.1.0.4', '10.1.0.5', '10.1.0.6'])
      expect(await start(address, address)).toEqual([address]);
    expect(await start('b', 'web')).toEqual(['10.1.0.2']);
  });

  test('are given up when the range is full, that of the container whose ADD is the longest ago first', async () => {
    const { start, stop } = network();
    for (const id of ['a', 'b', 'c', 'd', 'e']) await start(id, id);
    for (const id of ['d', 'c', 'b', 'a']) await stop(id);
    await start('again', 'a');
    await stop('again');
    expect(await start('f', 'f')).toEqual(['10.1.0.3']);
    expect(await start('g', 'g')).toEqual(['10.1.0.4']);
    expect(await start('a', 'a')).toEqual(['10.1.0.2']);
    expect(await start('b', 'b')).toEqual(['10.1.0.5']);
    await expect(start('h', 'h')).rejects.toThrow(/all 5 are leased/);
  });

  test('go to the one that asks for them by "ips", and stay with it', async () => {
    const { start, stop } = network();
    await start('a', 'web');
    await stop('a');
    expect(await start('b', 'db', { ips: ['10.1.0.2'] })).toEqual(['10.1.0.2']);
    expect(await start('c', 'web')).toEqual(['10.1.0.3']);
    await stop('b');
    expect(await start('d', 'db')).toEqual(['10.1.0.2']);
  });

  test('stay those of the first of two containers of one name', async () => {
    const { start, stop } = network();
    expect(await start('a', 'web')).toEqual(['10.1.0.2']);
    expect(await start('b', 'web')).toEqual(['10.1.0.3']);
    await stop('a');
    await stop('b');
    expect(await start('c', 'web')).toEqual(['10.1.0.2']);
  });

  test('are others from then on, when somebody without a name took them', async () => {
    const { start, stop } = network();
    await start('a', 'web');
    await stop('a');
    await start('b', undefined, { ips: ['10.1.0.2'] });
    expect(await start('c', 'web')).toEqual(['10.1.0.3']);
    await stop('b');
    await stop('c');
    expect(await start('d', 'web')).toEqual(['10.1.0.3']);
  });

  test('survive a reboot, which frees the leases', async () => {
    const { start, folder } = network();
    await start('a', 'web');
    await start('b', 'db');
    const stamps = stage.inside('/var/lib/drawbridge/boot');
    for (const file of readdirSync(stamps)) {
      const stamp = JSON.parse(readFileSync(`${stamps}/${file}`, 'utf8')) as object;
      writeFileSync(`${stamps}/${file}`, JSON.stringify({ ...stamp, bootId: 'an earlier one' }));
    }
    expect(await start('c', 'db')).toEqual(['10.1.0.3']);
    expect(readdirSync(folder).filter((file) => file.startsWith('10.'))).toEqual(['10.1.0.3']);
    expect(await start('d', 'web')).toEqual(['10.1.0.2']);
  });

  test('change nothing of the leases, which are byte for byte the same', async () => {
    const { start, folder } = network();
    await start('a', 'web');
    expect(readdirSync(folder).toSorted()).toEqual(['10.1.0.2', 'last_reserved_ip.0']);
    expect(readFileSync(`${folder}/10.1.0.2`, 'utf8')).toBe('a\r\neth0');
  });

  test.for([
    ['cut short', '{"folder":'],
    ['another type', '[]'],
    ['of another folder', '{"folder":"/x","held":[{"name":"web","containerId":"a","addresses":["10.1.0.5"]}]}'],
    ['without sense', '{"folder":"FOLDER","held":[null,3,{"name":"web","containerId":"a","addresses":["../x"]}]}'],
  ])('are forgotten when the file is %s, and kept again from then on', async ([, content = '']) => {
    const { start, stop, kept, folder } = network();
    await start('a', 'web');
    await stop('a');
    writeFileSync(kept(), content.replace('FOLDER', folder));
    expect(await start('b', 'web')).toEqual(['10.1.0.3']);
    await stop('b');
    expect(await start('c', 'web')).toEqual(['10.1.0.3']);
  });

  test('are no longer given when they are in no range any more', async () => {
    const { start, stop, kept } = network();
    await start('a', 'web');
    await stop('a');
    writeFileSync(kept(), readFileSync(kept(), 'utf8').replace('10.1.0.2', '10.9.0.2'));
    expect(await start('b', 'web')).toEqual(['10.1.0.3']);
  });

  test('are kept for 4096 containers of a network', async () => {
    const { start, stop, kept, folder } = network('10.0.0.0/8');
    await start('a', 'web');
    await stop('a');
    const held = Array.from({ length: 4096 }, (_, index) => ({
      name: `n${index}`,
      containerId: 'x',
      addresses: [`10.1.${index >> 8}.${index & 255}`],
    }));
    writeFileSync(kept(), JSON.stringify({ folder, held }));
    await start('b', 'web');
    const names = (JSON.parse(readFileSync(kept(), 'utf8')) as { held: { name: string }[] }).held.map(
      ({ name }) => name,
    );
    expect(names).toHaveLength(4096);
    expect([names[0], names.at(-1)]).toEqual(['n1', 'web']);
  });

  test('are the same in every round of 48 containers that four processes start and stop at once', async () => {
    const { start, stop } = network('10.1.0.0/25', 'fd01::/64');
    const actors = Array.from({ length: 4 }, () => stage.actor());
    /** An actor answers one question at a time. */
    const twelve = async (by: Actor, index: number, generation: number): Promise<string[]> => {
      const ids = Array.from({ length: 12 }, (_, place) => `${index}-${place}`);
      const given: string[] = [];
      for (const id of ids) given.push((await start(`c${id}-${generation}`, id, { by })).join());
      for (const id of ids) await stop(`c${id}-${generation}`, by);
      return given;
    };
    const round = async (generation: number): Promise<string[]> =>
      (await Promise.all(actors.map(async (by, index) => twelve(by, index, generation)))).flat();
    const first = await round(0);
    expect(new Set(first).size).toBe(48);
    for (let generation = 1; generation < 4; generation++) expect(await round(generation)).toEqual(first);
  });
});
