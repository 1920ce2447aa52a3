/** A process that calls the lease functions for a test, on mounts that are not the machine's: see stage.ts. */
import { closeSync, openSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fields } from '../../src/cni/fields.ts';
import type { AttachmentId } from '../../src/cni/request.ts';
import { withLock } from '../../src/host/lock.ts';
import { addressOf } from '../../src/ip/prefix.ts';
import { checkLeases, collect, fullSets, leasesOf, list } from '../../src/ipam/ledger.ts';
import { release, reserve } from '../../src/ipam/leases.ts';
import { parseIpam } from '../../src/ipam/ranges.ts';
import type { IpamConf } from '../../src/ipam/ranges.ts';
import { parseRequested } from '../../src/ipam/requested.ts';

export type Ipam = Record<string, unknown>;

export interface HammerOptions {
  /** Begin of the container IDs. */
  readonly id: string;
  readonly rounds: number;
  /** Folder for files that say who uses an address. */
  readonly witnesses: string;
}

const calls = {
  reserve: (ipam: Ipam, who: AttachmentId, ips: string[] = [], keptFor?: string) =>
    reserve(conf(ipam), who, {
      requested: parseRequested({ runtime: ips }),
      ...(keptFor === undefined ? {} : { keptFor }),
    }),
  release,
  leasesOf,
  list,
  checkLeases,
  collect: (dataDir: string, network: string, validIds: string[]) =>
    collect(dataDir, network, ({ containerId }) => validIds.includes(containerId)),
  fullSets: (ipam: Ipam, network: string) => fullSets(conf(ipam), network).map(({ text }) => text),
  hammer,
  /** Sends the word "locked" and keeps the lock. */
  holdLock: (name: string, what: string, milliseconds: number) =>
    withLock(name, what, async () => {
      process.send?.({ word: 'locked' });
      await sleep(milliseconds);
    }),
  /** Milliseconds that it took to get the lock. */
  async takeLock(name: string, what: string, deadline: number) {
    const begin = performance.now();
    await withLock(name, what, () => undefined, { deadline });
    return performance.now() - begin;
  },
  /** When the lock was had and given back, in milliseconds of the machine's own clock. */
  spanOfLock: (name: string, hold: number) =>
    withLock(name, 'span', async () => {
      const from = monotonic();
      await sleep(hold);
      return { from, to: monotonic() };
    }),
};

export type Calls = typeof calls;

/** Takes addresses and gives them back; returns those that somebody else used at the same time. */
async function hammer(ipam: Ipam, network: string, { id, rounds, witnesses }: HammerOptions): Promise<string[]> {
  const twice: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const who = { network, containerId: `${id}-${round}`, ifname: 'eth0' };
    const addresses = (await reserve(conf(ipam), who, { requested: [] })).map(({ address }) => addressOf(address));
    twice.push(...addresses.filter((address) => !beginUse(`${witnesses}/${address}`)));
    await sleep(Math.random() * 4);
    for (const address of addresses) unlinkSync(`${witnesses}/${address}`);
    release(conf(ipam).dataDir, who, round % 2 === 0 ? addresses : undefined);
  }
  return twice;
}

function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function beginUse(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx'));
    return true;
  } catch {
    return false;
  }
}

function conf(ipam: Ipam): IpamConf {
  return parseIpam(new Fields(ipam, 'ipam'));
}

process.on('message', (asked: Asked) => {
  void answer(asked).then((given) => process.send?.(given));
});
process.on('disconnect', () => process.exit());

interface Asked {
  readonly call: keyof Calls;
  readonly args: unknown[];
}

async function answer({ call, args }: Asked): Promise<object> {
  try {
    return { result: await (calls[call] as (...given: unknown[]) => unknown)(...args) };
  } catch (error) {
    const { message, code, details } = error as { message: string; code?: unknown; details?: unknown };
    return { error: { message, code, details } };
  }
}
