import { readFileSync } from 'node:fs';

/** "pid:start time": the start time tells a process from a later one with its number. */
export function processIdentity(pid: number): string {
  return `${pid}:${startTime(pid) ?? ''}`;
}

/** Whether the process of {@link processIdentity} still runs. */
export function isRunning(identity: string): boolean {
  const [pid = '', start = ''] = identity.split(':');
  return start !== '' && startTime(Number(pid)) === start;
}

/**
 * When a process began, in clock ticks since the boot that its /proc shows (proc(5), field 22 of stat). Undefined when
 * there is no such process, or only what its parent has not asked for yet (a zombie).
 */
export function startTime(pid: number | 'self'): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, and may hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
