import { existsSync, readFileSync } from 'node:fs';
import { openNetns } from '../host/netns.ts';
import type { AttachmentRecord } from './record.ts';

/**
 * Whether the container of a record is still there: its end of the veth pair on the host is. Where there are no
 * links (yet), whether the path of its namespace leads to the namespace of when the record was made; that alone
 * is weaker, since the kernel gives the number of a namespace that is gone to the next one.
 *
 * An ADD says "ready" when it begins to make rules and links, in whatever order they come about.
 */
export function isAlive({ link, state, netns, netnsInode, adder }: AttachmentRecord): boolean {
  if (link !== undefined && existsSync(`/sys/class/net/${link.hostInterface}`)) return true;
  if (link !== undefined && state === 'ready') return adder !== undefined && isRunning(adder);
  try {
    return openNetns(netns).inode === netnsInode;
  } catch {
    return false;
  }
}

/** "pid:start time": the start time tells a process from a later one with its number (proc(5), field 22 of stat). */
export function processIdentity(pid: number): string {
  return `${pid}:${startTime(pid) ?? ''}`;
}

/** Whether the process of {@link processIdentity} still is. */
export function isRunning(identity: string): boolean {
  const [pid = ''] = identity.split(':');
  return identity === processIdentity(Number(pid)) && startTime(Number(pid)) !== undefined;
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name, which may hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
