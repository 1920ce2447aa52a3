import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { sha256 } from '../digest/sha256.ts';
import { readRegularFile } from '../egress/load-file.ts';
import { replaceFile } from '../host/files.ts';
import { stateDir } from '../host/paths.ts';
import { formatAddress, readAddress } from '../ip/address.ts';
import { systemReason } from '../text/system-error.ts';

/*
 * /var/lib/drawbridge/sticky/<first 16 hex of sha256(folder of the leases)>.json
 *   { "folder": "...", "held": [{ "name": "...", "containerId": "...", "addresses": ["..."] }] },
 *   the one whose ADD is the longest ago first
 */

/** Addresses that are kept for a container while it does not run. */
export interface KeptAddresses {
  /** What the container is known by, over all its lives: name of a pod, name that a runtime gave, or id. */
  readonly name: string;
  /** Who had them last. */
  readonly containerId: string;
  /** Canonical text, without prefix length. */
  readonly addresses: readonly string[];
}

/** How many containers of a network are remembered; of more the one whose ADD is the longest ago is forgotten. */
const mostKept = 4096;

/** Bytes; so many containers need less. */
const longestFile = 4 << 20;

/**
 * What is kept in the network whose leases are in `folder`, the longest ago first. A file that cannot be used is as
 * good as none: containers get addresses that are free, as they do without it.
 */
export function recallAddresses(folder: string): KeptAddresses[] {
  try {
    const stored = JSON.parse(readRegularFile(stickyFile(folder), longestFile)) as { folder?: unknown; held?: unknown };
    return stored.folder === folder && Array.isArray(stored.held) ? stored.held.filter(isKept) : [];
  } catch {
    return [];
  }
}

/**
 * Keeps addresses for a name, which is the newest then. Nobody else has them any more. Throws {@link CniError} with
 * code 5 when the file cannot be written.
 */
export function keepAddresses(folder: string, kept: readonly KeptAddresses[], newest: KeptAddresses): void {
  const others = kept
    .filter(({ name }) => name !== newest.name)
    .map(({ addresses, ...one }) => ({
      ...one,
      addresses: addresses.filter((address) => !newest.addresses.includes(address)),
    }))
    .filter(({ addresses }) => addresses.length > 0);
  const held = [...others, newest].slice(-mostKept);
  const file = stickyFile(folder);
  try {
    replaceFile(file, `${JSON.stringify({ folder, held })}\n`);
  } catch (cause) {
    throw new CniError(
      codes.ioFailure,
      `Cannot write ${quote(file)}: ${systemReason(cause)}`,
      `Make room in ${quote(stateDir)}, or leave "ipam.sticky" out`,
      { cause },
    );
  }
}

function stickyFile(folder: string): string {
  return `${stateDir}/sticky/${sha256(folder).slice(0, 16)}.json`;
}

function isKept(raw: unknown): raw is KeptAddresses {
  const { name, containerId, addresses } = (raw ?? {}) as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    typeof containerId === 'string' &&
    Array.isArray(addresses) &&
    addresses.every(isCanonical)
  );
}

function isCanonical(raw: unknown): boolean {
  const address = typeof raw === 'string' ? readAddress(raw) : undefined;
  return address !== undefined && formatAddress(address) === raw;
}
