import { sha256 } from '../digest/sha256.ts';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname } from 'node:path/posix';
import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import type { AttachmentId } from '../cni/request.ts';
import { formatAddress, readAddress } from '../ip/address.ts';
import type { Address } from '../ip/address.ts';
import { systemReason } from '../text/system-error.ts';

/*
 * <dataDir>/<network>/        0755, byte for byte what the reference host-local makes (pkg/backend/disk)
 *   10.88.0.2                 0600, a lease: `<containerID>\r\n<ifname>`, no newline at the end; before 2018 the ID
 *                             alone
 *   fd00:88::2                the same; the name is the RFC 5952 text
 *   last_reserved_ip.<set>    0600, the address that range set number <set> gave last, no newline
 *   lock                      the reference's flock; not used here
 *   .drawbridge-<16 hex>      a lease of ours before it has its name, or one about to go; the reference passes over
 *                             names that are no address
 */

/** Whom a lease is for. */
export interface Leaseholder {
  readonly containerId: string;
  /** Absent in leases of the reference from before 2018, which hold for every interface of the container. */
  readonly ifname?: string;
}

export interface Lease extends Leaseholder {
  /** Canonical text, without prefix length. */
  readonly address: string;
}

/** A lease file as it was at one moment. */
export interface FoundLease {
  /** The address, which is the file's name. */
  readonly address: string;
  readonly file: string;
  readonly content: string;
  /** Undefined while the file is empty: then it is not a lease, but may be about to become one. */
  readonly holder: Leaseholder | undefined;
  readonly stats: Stats;
}

/**
 * The folder of a network's leases. Throws {@link CniError} with code 7 for a name that would lead out of `dataDir`.
 */
export function leaseFolder(dataDir: string, network: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(network))
    throw new CniError(
      codes.invalidConfig,
      `Invalid network name ${quote(network)}: letters, digits, "_", "." and "-" are expected, the first one a letter or digit`,
    );
  return `${dataDir}/${network}`;
}

export function makeLeaseFolder(folder: string): void {
  attempt(`make ${quote(folder)}`, () => mkdirSync(folder, { recursive: true, mode: 0o755 }));
}

/**
 * A lease that has its content and no address yet; {@link Draft.claim} gives it one. A name for the whole file
 * at once: a process that is killed leaves either a complete lease or none (plugins#498).
 */
export interface Draft {
  /** Takes the address; false when somebody has it. */
  claim(address: Address): boolean;
  discard(): void;
}

export function draftLease(folder: string, who: AttachmentId): Draft {
  const file = draftFile(folder, who);
  const write = (): void => {
    unlinkIfThere(file);
    attempt(`write ${quote(file)}`, () => writeFileSync(file, leaseContent(who), { flag: 'wx', mode: 0o600 }));
  };
  let written = false;
  return {
    claim(address) {
      if (!written) write();
      written = true;
      if (!linked(file, `${folder}/${formatAddress(address)}`)) return false;
      // A lease keeps an inode for itself: its times must not change with those of another.
      unlinkIfThere(file);
      written = false;
      return true;
    },
    discard: () => unlinkIfThere(file),
  };
}

/** Removes what a process left that was killed while it made a lease for this attachment. */
export function removeDraft(folder: string, who: AttachmentId): void {
  unlinkIfThere(draftFile(folder, who));
}

/** Undefined when there is no such lease file. */
export function findLease(folder: string, address: string): FoundLease | undefined {
  return look(`${folder}/${address}`, address);
}

/** Every lease file of the folder, one by one. */
export function* findLeases(folder: string): Generator<FoundLease, void, undefined> {
  for (const name of fileNames(folder)) {
    const found = readAddress(name) === undefined ? undefined : findLease(folder, name);
    if (found !== undefined) yield found;
  }
}

/** Names of all files of the folder, the leases' and the others'; none when there is no folder. */
export function fileNames(folder: string): string[] {
  return attempt(`read ${quote(folder)}`, () => ifThere(() => readdirSync(folder)) ?? []);
}

/** Removes what killed processes left: leases that got no name, or lost it. */
export function removeDrafts(folder: string, isLeft: (draft: FoundLease) => boolean): void {
  for (const name of fileNames(folder)) {
    const found = name.startsWith('.drawbridge-') ? look(`${folder}/${name}`, name) : undefined;
    if (found !== undefined && isLeft(found)) unlinkIfThere(found.file);
  }
}

/** Whether nobody can be about to finish the file. */
export function isOld({ ctimeMs }: Stats): boolean {
  return ctimeMs < Date.now() - emptyGrace;
}

/**
 * Removes the lease file if it is still the one that was found; false when it is gone or another.
 * Between the look and the removal an address can be given back and given to somebody else. So the file is
 * first moved out of the way and looked at again; the lease of somebody else gets its name back.
 */
export function removeLease(found: FoundLease): boolean {
  const { file, address, content } = found;
  const aside = asideFile(dirname(file), address, content);
  return attempt(`remove ${quote(file)}`, () => {
    const moved = ifThere(() => {
      renameSync(file, aside);
      return look(aside, address);
    });
    if (moved === undefined) return false;
    const same = isSame(moved, found);
    if (!same) linked(aside, file);
    unlinkIfThere(aside);
    return same;
  });
}

/** Removes what a process left that was killed while it gave back this attachment's lease on an address. */
export function removeAside(folder: string, address: string, who: AttachmentId): void {
  unlinkIfThere(asideFile(folder, address, leaseContent(who)));
}

/** The name is the lease's, so that whoever gives it back after a killed process finds what that one left. */
function asideFile(folder: string, address: string, content: string): string {
  return `${folder}/.drawbridge-${hash(`${address}\0${content}`)}`;
}

/** The number of an inode is soon given to another file, so it does not suffice. */
function isSame(one: FoundLease, other: FoundLease): boolean {
  return (
    one.stats.ino === other.stats.ino && one.stats.mtimeMs === other.stats.mtimeMs && one.content === other.content
  );
}

/** What somebody put there that is no file is no lease either; reading a pipe would never end. */
function look(file: string, address: string): FoundLease | undefined {
  return attempt(`read ${quote(file)}`, () =>
    ifThere(() => {
      const stats = statSync(file);
      if (!stats.isFile()) return undefined;
      const content = readFileSync(file, 'utf8');
      return { address, file, content, holder: parseLease(content), stats };
    }),
  );
}

/** The address that a range set gave last; undefined when it gave none or the file holds something else. */
export function lastReserved(folder: string, set: number): Address | undefined {
  const file = `${folder}/last_reserved_ip.${set}`;
  const text = attempt(`read ${quote(file)}`, () => ifThere(() => readFileSync(file, 'utf8')));
  return text === undefined ? undefined : readAddress(text.trim());
}

export function writeLastReserved(folder: string, set: number, address: Address): void {
  const file = `${folder}/last_reserved_ip.${set}`;
  attempt(`write ${quote(file)}`, () => writeFileSync(file, formatAddress(address), { mode: 0o600 }));
}

/** Whether the lease is this attachment's. One without ifname is the container's, and so each of its attachments'. */
export function isHeldBy(holder: Leaseholder | undefined, { containerId, ifname }: AttachmentId): boolean {
  return holder?.containerId === containerId && (holder.ifname === undefined || holder.ifname === ifname);
}

/**
 * Milliseconds. The reference makes the file first and writes it then, so an empty one may be a lease in the making.
 */
const emptyGrace = 10_000;

/** Whether the file is no lease and will not become one. */
export function isAbandoned({ holder, stats }: FoundLease): boolean {
  return holder === undefined && stats.mtimeMs < Date.now() - emptyGrace;
}

function leaseContent({ containerId, ifname }: AttachmentId): string {
  return `${containerId.trim()}\r\n${ifname}`;
}

/** Old leases end in newlines and spaces of any kind. */
function parseLease(content: string): Leaseholder | undefined {
  const [containerId = '', ifname = ''] = content.trim().split(/\r?\n/);
  if (containerId === '') return undefined;
  return ifname.trim() === ''
    ? { containerId: containerId.trim() }
    : { containerId: containerId.trim(), ifname: ifname.trim() };
}

/** The name is the attachment's, so that the next ADD or DEL of it finds what a killed one left. */
function draftFile(folder: string, { network, containerId, ifname }: AttachmentId): string {
  return `${folder}/.drawbridge-${hash(`${network}\0${containerId}\0${ifname}`)}`;
}

function hash(text: string): string {
  return sha256(text).slice(0, 16);
}

function linked(from: string, to: string): boolean {
  return attempt(`make ${quote(to)}`, () => {
    try {
      linkSync(from, to);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

/** On a file system that is read-only the kernel refuses before it looks whether there is such a file. */
function unlinkIfThere(file: string): void {
  attempt(`remove ${quote(file)}`, () => {
    try {
      ifThere(() => unlinkSync(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EROFS' || existsSync(file)) throw error;
    }
  });
}

function ifThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (['ENOENT', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function attempt<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw new CniError(
      codes.ioFailure,
      `Cannot ${what}: ${systemReason(error)}`,
      'Leases are files in that folder: free some space, make it writable, or name another folder in "ipam.dataDir"',
      { cause: error },
    );
  }
}
