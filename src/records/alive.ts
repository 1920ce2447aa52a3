import { enforcedUse } from '../dataplane/elements/egress.ts';
import { isLinkThere, listLinks } from '../host/interfaces.ts';
import { openNetns } from '../host/netns.ts';
import { isRunning } from '../host/process.ts';
import { sharedNamesOf } from './index-files.ts';
import { hostInterfaceOf, hostTapNameOf } from './key.ts';
import type { AttachmentRecord } from './record.ts';
import { hostInterfacesOf, sectionNames } from './sections.ts';
import { listRecords, type BrokenRecord } from './store.ts';

/**
 * Whether the container of a record may still be there. It is gone only when the kernel says that its interface on the
 * host is gone, and the path of its namespace leads nowhere or to another namespace: the one alone can be asked in the
 * wrong namespace, and the other lies when the kernel gives the number of a namespace that is gone to the next one.
 * What cannot be told is alive.
 *
 * An ADD makes rules and links in whatever order they come about: while it runs, its container is alive.
 */
export function isAlive(record: AttachmentRecord): boolean {
  return isAdded(record) || hasLink(record) || hasNetns(record);
}

/** Whether an attachment has its interface on the host, and so is one that a second ADD must leave alone. */
export function isAttached(record: AttachmentRecord): boolean {
  return record.link === undefined ? isAlive(record) : isAdded(record) || hasLink(record);
}

/**
 * Whether the container of a record that cannot be read may still be there, by its name and by what of it can be read.
 * A record that a newer drawbridge wrote is of a living one: only that can tell.
 */
export function mayBeAlive({ key, isNewer, json }: BrokenRecord): boolean {
  const record = (json ?? {}) as { readonly [Key in keyof AttachmentRecord]?: unknown };
  const netns = { netns: String(record.netns), netnsInode: String(record.netnsInode) };
  const ports = [
    hostInterfaceOf(key),
    hostTapNameOf(key),
    ...sectionNames.flatMap((name) => {
      const { hostInterface, port } = (record[name] ?? {}) as { hostInterface?: unknown; port?: unknown };
      return [hostInterface, port].filter((end) => typeof end === 'string');
    }),
  ];
  return isNewer || areThere(ports) || hasNetns(netns) || (json === undefined && mayBeBehind(key));
}

function isAdded({ adder }: AttachmentRecord): boolean {
  return adder !== undefined && isRunning(adder);
}

/** The interface that goes with the container: a port of a bridge, or the host's end of a veth without one. */
function hasLink(record: AttachmentRecord): boolean {
  return areThere(hostInterfacesOf(record));
}

function areThere(names: readonly string[]): boolean {
  try {
    return names.some(isLinkThere);
  } catch {
    return true;
  }
}

/**
 * Of a record that is no text of ours any more the index entries still tell behind which interfaces its container was:
 * behind a bridge it may be at any port that no other record names.
 */
function mayBeBehind(key: string): boolean {
  const uses = sharedNamesOf(key);
  if (uses.length === 0) return false;
  const named = new Set(listRecords().records.flatMap(hostInterfacesOf));
  try {
    const links = listLinks();
    return links
      .filter(({ name }) => uses.includes(enforcedUse(name)))
      .some(({ name, kind }) => kind !== 'bridge' || links.some((one) => one.master === name && !named.has(one.name)));
  } catch {
    return true;
  }
}

function hasNetns({ netns, netnsInode }: Pick<AttachmentRecord, 'netns' | 'netnsInode'>): boolean {
  try {
    return openNetns(netns).inode === netnsInode;
  } catch {
    return false;
  }
}
