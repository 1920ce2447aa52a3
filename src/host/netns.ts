import { openSync, statSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';

/** What tells one network namespace from every other one alive, whatever path leads to it. */
export interface NetnsIdentity {
  /** "device:inode" of the namespace's file. */
  readonly inode: string;
}

/**
 * Finds out which namespace a path leads to.
 *
 * Throws code 8 when the path does not exist or is not that of a network namespace.
 */
export function openNetns(path: string): NetnsIdentity {
  const inode = inodeOf(path);
  if (inode === undefined) {
    throw new CniError(
      codes.invalidNetns,
      `Cannot open the network namespace "${path}": it does not exist`,
      'The container has ended, or the runtime gave the path of another mount namespace',
    );
  }
  // All namespaces live on nsfs, one device of its own; a bind mount of one has its inode, a plain file has not.
  if (inode.split(':')[0] !== ownInode()?.split(':')[0]) {
    throw new CniError(
      codes.invalidNetns,
      `Cannot open the network namespace "${path}": it is a file of another kind`,
      'A path such as /run/netns/NAME or /proc/PID/ns/net is expected',
    );
  }
  return { inode };
}

/**
 * A path to the same namespace without any character of `path`, for text that cannot hold it. It is good for as long as
 * this process lives, for its children too. Throws code 8 when the namespace is not there.
 */
export function plainNetnsPath(path: string): string {
  openNetns(path);
  return `/proc/${process.pid}/fd/${openSync(path, 'r')}`;
}

/** Whether the path still leads to something. */
export function netnsExists(path: string): boolean {
  return path !== '' && inodeOf(path) !== undefined;
}

/** Whether a path leads to the namespace that this process is in: a container must have another one. */
export function isOwnNetns(path: string): boolean {
  const inode = inodeOf(path);
  return inode !== undefined && inode === ownInode();
}

/** "device:inode" of the namespace that this process is in. */
export function ownInode(): string | undefined {
  return inodeOf('/proc/self/ns/net');
}

function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
