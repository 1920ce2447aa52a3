import { releaseEarlierBoots } from '../ipam/leases.ts';
import type { Log } from './log.ts';

/** Runtimes whose containers did not survive a boot never gave their addresses back. */
export async function freeLeases(log: Log): Promise<void> {
  try {
    const folders = await releaseEarlierBoots();
    if (folders.length > 0) log.info({ folders }, 'leases of earlier boots are free');
  } catch (error) {
    log.error({ err: error }, 'cannot free leases of earlier boots');
  }
}
