import { existsSync } from 'node:fs';
import { openNetns } from '../host/netns.ts';
import type { AttachmentRecord } from './record.ts';

/**
 * Whether the container of a record is still there: its end of the veth pair on the host is. Where there are no
 * links (yet), whether the path of its namespace leads to the namespace of when the record was made; that alone
 * is weaker, since the kernel gives the number of a namespace that is gone to the next one.
 */
export function isAlive({ link, state, netns, netnsInode }: AttachmentRecord): boolean {
  if (link !== undefined && existsSync(`/sys/class/net/${link.hostInterface}`)) return true;
  if (link !== undefined && state === 'ready') return false;
  try {
    return openNetns(netns).inode === netnsInode;
  } catch {
    return false;
  }
}
