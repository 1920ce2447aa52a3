import { existsSync } from 'node:fs';
import { openNetns } from '../host/netns.ts';
import type { AttachmentRecord } from './record.ts';

/**
 * Whether the container of a record is still there: its end of the veth pair on the host is, or the path of
 * its namespace leads to the same namespace as when the record was made (an ADD that has not come to its links).
 */
export function isAlive({ link, netns, netnsInode }: AttachmentRecord): boolean {
  if (link !== undefined && existsSync(`/sys/class/net/${link.hostInterface}`)) return true;
  try {
    return openNetns(netns).inode === netnsInode;
  } catch {
    return false;
  }
}
