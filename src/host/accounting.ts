import { readFileSync, rmSync } from 'node:fs';
import { isMissing, replaceFile } from './files.ts';
import { runDir } from './paths.ts';
import { writeSysctls } from './sysctl.ts';

/*
 * Whether the kernel counts the bytes of connections that begin: net.netfilter.nf_conntrack_acct. It is on while
 * somebody of ours needs it; /run/drawbridge/accounting, 0600, is there while it is on because of us.
 */

const file = 'netfilter/nf_conntrack_acct';
const mark = `${runDir}/accounting`;

/** Whether it counts now; undefined for a kernel that does not say. */
export function isAccounting(): boolean | undefined {
  const value = read(`/proc/sys/net/${file}`);
  return value === undefined ? undefined : value.trim() !== '0';
}

/** Whether it counts because of us. */
export function isAccountingOurs(): boolean {
  return read(mark) !== undefined;
}

/** Has the kernel count from now on. Throws code 100 when it cannot be set, 5 when that cannot be remembered. */
export function beginAccounting(): void {
  if (isAccounting() !== false) return;
  replaceFile(mark, '0\n');
  writeSysctls([{ file, value: '1' }]);
}

/**
 * Puts back what was there before us; returns false when that was not to be done. Throws as {@link beginAccounting}.
 */
export function endAccounting(): boolean {
  if (!isAccountingOurs()) return false;
  writeSysctls([{ file, value: '0' }]);
  rmSync(mark, { force: true });
  return true;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
