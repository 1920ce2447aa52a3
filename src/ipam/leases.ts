import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import type { AttachmentId } from '../cni/request.ts';
import { firstUseSinceBoot, isFromBeforeBoot, renewStamp, stampBoot, subjectsOfEarlierBoots } from '../host/boot.ts';
import { withLock } from '../host/lock.ts';
import { formatAddress, readAddress } from '../ip/address.ts';
import type { Address } from '../ip/address.ts';
import type { AddressRecord } from '../records/record.ts';
import { candidatesAfter, isGivable, rangeOf } from './pool.ts';
import type { RangeSet } from './pool.ts';
import type { IpamConf } from './ranges.ts';
import { assignRequested } from './requested.ts';
import { keepAddresses, recallAddresses, type KeptAddresses } from './sticky.ts';
import {
  draftLease,
  fileNames,
  findLease,
  findLeases,
  isAbandoned,
  isHeldBy,
  isOld,
  lastReserved,
  leaseFolder,
  makeLeaseFolder,
  removeAside,
  removeDraft,
  removeDrafts,
  removeLease,
  writeLastReserved,
} from './store.ts';
import type { Draft } from './store.ts';

/** What an attachment would like to have. */
export interface Wishes {
  /** Addresses that it must have. */
  readonly requested: readonly Address[];
  /** What its container is known by, over all its lives; absent where nothing is kept for it. */
  readonly keptFor?: string;
}

/**
 * Reserves one address of each set: the requested one that lies in it, or else the one that is kept for the container,
 * or else the next free one after the last that it gave. Addresses that are kept for others are taken when no other is
 * left, the longest kept first. On error everything that was taken is given back.
 *
 * It does not look for leases that the attachment has already (that costs a look into every lease): callers
 * know them from the record, or ask {@link leasesOf}.
 *
 * Throws {@link CniError}: 7 for a requested address that no set can give, 101 when a set has none left, 102
 * when somebody holds the requested one, 11 when the lock is not to be had, 5 when files cannot be written.
 */
export async function reserve(
  conf: IpamConf,
  who: AttachmentId,
  { requested, keptFor }: Wishes,
): Promise<AddressRecord[]> {
  const assigned = assignRequested(conf.sets, requested);
  const folder = leaseFolder(conf.dataDir, who.network);
  makeLeaseFolder(folder);
  return withLock(`ipam-${who.network.slice(0, 200)}`, `ADD ${who.containerId} ${who.ifname}`, () => {
    forgetEarlierBoots(folder);
    renewStamp(folder, longestUse);
    const reserved = reserveAll({ conf, assigned, folder, who, keptFor });
    renewStamp(folder);
    return reserved;
  });
}

/**
 * Gives back the attachment's leases and returns their addresses; what is not its own is left alone, and what
 * is gone already is no error. With `known` addresses (without prefix length, from the record) the cost does not
 * depend on the number of leases; without them every lease of the network is looked at.
 *
 * It takes no lock, so it never waits: a lease is moved aside and looked at once more before it goes.
 */
export function release(dataDir: string, who: AttachmentId, known?: readonly string[]): string[] {
  const folder = leaseFolder(dataDir, who.network);
  removeDraft(folder, who);
  known?.forEach((address) => removeAside(folder, address, who));
  const found = known === undefined ? [...findLeases(folder)] : known.map((address) => findLease(folder, address));
  return found
    .filter((lease) => lease !== undefined && isHeldBy(lease.holder, who) && removeLease(lease))
    .map((lease) => lease?.address ?? '');
}

/**
 * Frees, in every network that was used before the last boot and not since, the leases that are older than the boot:
 * what the network's first ADD would do. Returns the folders. Throws code 11 when a lock is not to be had, 5 when files
 * cannot be written.
 */
export async function releaseEarlierBoots(): Promise<string[]> {
  const folders = subjectsOfEarlierBoots().filter((folder) => folder.startsWith('/'));
  for (const folder of folders) {
    const network = folder.slice(folder.lastIndexOf('/') + 1);
    await withLock(`ipam-${network.slice(0, 200)}`, 'free leases of earlier boots', () => forgetEarlierBoots(folder));
  }
  return folders;
}

interface Task {
  readonly conf: IpamConf;
  /** For each set the requested address, if any. */
  readonly assigned: readonly (Address | undefined)[];
  readonly folder: string;
  readonly who: AttachmentId;
  readonly keptFor: string | undefined;
}

function reserveAll({ conf, assigned, folder, who, keptFor }: Task): AddressRecord[] {
  const draft = draftLease(folder, who);
  const reserved: Address[] = [];
  const kept = keptFor === undefined ? [] : recallAddresses(folder);
  const own = kept.find(({ name }) => name === keptFor);
  const others = kept.filter((one) => one !== own);
  const keptForOthers = new Set(others.flatMap(({ addresses }) => addresses));
  try {
    const given = conf.sets.map((set, index) => {
      const place = { index, folder, draft };
      const wanted = assigned[index];
      const address =
        wanted === undefined
          ? (takeKept(set, own === undefined ? [] : [own], place) ??
            takeNext(set, { ...place, avoided: keptForOthers }) ??
            takeKept(set, others, place) ??
            refuseFull(set, folder))
          : takeRequested(wanted, place);
      reserved.push(address);
      writeLastReserved(folder, index, address);
      return describe(set, address);
    });
    if (keptFor !== undefined) {
      const addresses = reserved.map(formatAddress);
      if (own === undefined || !hasTwin(folder, own, who))
        keepAddresses(folder, kept, { name: keptFor, containerId: who.containerId, addresses });
    }
    return given;
  } catch (error) {
    giveBack(conf.dataDir, who, reserved);
    throw error;
  } finally {
    draft.discard();
  }
}

/** Never throws: what made it necessary is what the caller has to hear of. */
function giveBack(dataDir: string, who: AttachmentId, reserved: readonly Address[]): void {
  try {
    release(dataDir, who, reserved.map(formatAddress));
  } catch {}
}

function takeRequested(address: Address, { folder, draft }: { folder: string; draft: Draft }): Address {
  if (claim(address, { folder, draft })) return address;
  const text = formatAddress(address);
  const holder = findLease(folder, text)?.holder;
  const owner =
    holder === undefined
      ? 'another container'
      : `container ${quote(holder.containerId)}${holder.ifname === undefined ? '' : ` (${holder.ifname})`}`;
  throw new CniError(
    codes.conflict,
    `Cannot reserve the requested address ${quote(text)}: ${owner} holds it`,
    `If that container is gone, remove ${quote(`${folder}/${text}`)}`,
  );
}

/** So many leases in a row are found by trying to make them; when there are more the folder is read, once. */
const tries = 32;

/** Where leases are made, and for whom. */
interface Place {
  /** Number of the range set. */
  readonly index: number;
  readonly folder: string;
  readonly draft: Draft;
}

/** Undefined when nothing but avoided addresses is left. */
function takeNext(set: RangeSet, place: Place & { readonly avoided: ReadonlySet<string> }): Address | undefined {
  const { index, folder, draft, avoided } = place;
  let names: ReadonlySet<string> | undefined;
  let collisions = 0;
  for (const address of candidatesAfter(set, lastReserved(folder, index))) {
    const text = formatAddress(address);
    if (avoided.has(text) || names?.has(text) === true) continue;
    if (claim(address, { folder, draft })) return address;
    collisions++;
    if (collisions === tries) names = new Set(fileNames(folder));
  }
  // Those that the folder's list hid were not looked at, and some may be empty.
  return names !== undefined && removeEmpty(folder) ? takeNext(set, place) : undefined;
}

/** Takes the first kept address of the set that nobody has now. */
function takeKept(set: RangeSet, kept: readonly KeptAddresses[], { folder, draft }: Place): Address | undefined {
  return kept
    .flatMap(({ addresses }) => addresses.flatMap((text) => readAddress(text) ?? []))
    .find((address) => isGivable(set, address) && claim(address, { folder, draft }));
}

/**
 * Whether a container of the same name runs with the addresses that are kept: they stay the first one's, and the second
 * has others while both run.
 */
function hasTwin(folder: string, own: KeptAddresses, { containerId }: AttachmentId): boolean {
  if (own.containerId === containerId) return false;
  return own.addresses.some((address) => findLease(folder, address)?.holder?.containerId === own.containerId);
}

function refuseFull(set: RangeSet, folder: string): never {
  throw new CniError(
    codes.poolExhausted,
    `Cannot reserve an address in ${quote(set.text)}: all ${set.size} are leased`,
    `"drawbridge list" shows who holds them; each is a file in ${quote(folder)} that names its container`,
  );
}

function claim(address: Address, { folder, draft }: { folder: string; draft: Draft }): boolean {
  if (draft.claim(address)) return true;
  const found = findLease(folder, formatAddress(address));
  return found !== undefined && isAbandoned(found) && removeLease(found) && draft.claim(address);
}

function removeEmpty(folder: string): boolean {
  return [...findLeases(folder)].filter((found) => isAbandoned(found) && removeLease(found)).length > 0;
}

/** Milliseconds that taking addresses may last; less than any reboot does. */
const longestUse = 1000;

/**
 * Frees, at the first use after a boot, every lease that is older than the boot: its container did not survive it
 * (plugins#252).
 */
function forgetEarlierBoots(folder: string): void {
  const times = firstUseSinceBoot(folder);
  if (times === undefined) return;
  for (const found of findLeases(folder)) if (isFromBeforeBoot(found.stats.ctimeMs, times)) removeLease(found);
  removeDrafts(folder, ({ stats }) => isFromBeforeBoot(stats.ctimeMs, times) || isOld(stats));
  stampBoot(folder);
}

function describe(set: RangeSet, address: Address): AddressRecord {
  const range = rangeOf(set, address);
  if (range === undefined) throw new Error(`${formatAddress(address)} is in no range of ${set.text}`);
  return {
    address: `${formatAddress(address)}/${range.subnet.length}`,
    gateway: formatAddress({ family: set.family, value: range.gateway }),
  };
}
