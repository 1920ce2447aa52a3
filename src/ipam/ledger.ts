import type { AttachmentId } from '../cni/request.ts';
import { firstUseSinceBoot, isFromBeforeBoot } from '../host/boot.ts';
import { readAddress } from '../ip/address.ts';
import { isGivable } from './pool.ts';
import type { RangeSet } from './pool.ts';
import type { IpamConf } from './ranges.ts';
import {
  fileNames,
  findLease,
  findLeases,
  isAbandoned,
  isHeldBy,
  isOld,
  leaseFolder,
  removeDrafts,
  removeLease,
} from './store.ts';
import type { FoundLease, Lease } from './store.ts';

/** Every lease of a network, in no order. Files that are empty are not leases. */
export function list(dataDir: string, network: string): Lease[] {
  return [...findLeases(leaseFolder(dataDir, network))].flatMap(({ address, holder }) =>
    holder === undefined ? [] : [{ address, ...holder }],
  );
}

/** Addresses that the attachment has leased, found by looking at every lease of its network. */
export function leasesOf(dataDir: string, who: AttachmentId): string[] {
  return [...findLeases(leaseFolder(dataDir, who.network))]
    .filter(({ holder }) => isHeldBy(holder, who))
    .map(({ address }) => address);
}

/**
 * What is wrong with the leases that the attachment should have on `addresses` (without prefix length); empty when
 * nothing is.
 */
export function checkLeases(dataDir: string, who: AttachmentId, addresses: readonly string[]): string[] {
  const folder = leaseFolder(dataDir, who.network);
  return addresses.flatMap((address) => {
    const found = findLease(folder, address);
    if (found?.holder === undefined) return [`lease "${address}" is missing in "${folder}"`];
    return isHeldBy(found.holder, who)
      ? []
      : [`lease "${address}" in "${folder}" is held by container "${found.holder.containerId}"`];
  });
}

/**
 * Removes the leases for which `isValid` is false, and what killed processes left; returns the removed leases.
 * The reference's own files (its lock, last_reserved_ip) stay. A lease without ifname is its container's:
 * `isValid` gets it as it is.
 */
export function collect(dataDir: string, network: string, isValid: (lease: Lease) => boolean): Lease[] {
  const folder = leaseFolder(dataDir, network);
  const removed: Lease[] = [];
  for (const found of findLeases(folder)) {
    const lease = found.holder === undefined ? undefined : { address: found.address, ...found.holder };
    const isDead = lease === undefined ? isAbandoned(found) : !isValid(lease);
    if (isDead && removeLease(found) && lease !== undefined) removed.push(lease);
  }
  removeDrafts(folder, ({ stats }) => isOld(stats));
  return removed;
}

/**
 * The sets that have no address left to give, for STATUS. Reads the files themselves only when there are enough of
 * them.
 */
export function fullSets(conf: IpamConf, network: string): RangeSet[] {
  const folder = leaseFolder(conf.dataDir, network);
  const names = fileNames(folder);
  return conf.sets.filter((set) => {
    if (BigInt(names.length) < set.size) return false;
    return BigInt(names.filter((name) => isTaken(set, name, folder)).length) >= set.size;
  });
}

function isTaken(set: RangeSet, name: string, folder: string): boolean {
  const address = readAddress(name);
  if (address === undefined || !isGivable(set, address)) return false;
  const found = findLease(folder, name);
  return found !== undefined && !isFree(found, folder);
}

/** Whether the next ADD would take the address all the same. */
function isFree(found: FoundLease, folder: string): boolean {
  const times = firstUseSinceBoot(folder);
  return isAbandoned(found) || (times !== undefined && isFromBeforeBoot(found.stats.ctimeMs, times));
}
