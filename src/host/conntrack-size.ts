import { readFileSync } from 'node:fs';
import { isMissing } from './files.ts';

/** Connections that the kernel tracks at most; undefined while it tracks none (its module is not loaded). */
export function trackedConnections(): number | undefined {
  try {
    const tracked = Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_max', 'utf8'));
    return tracked > 0 ? tracked : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
