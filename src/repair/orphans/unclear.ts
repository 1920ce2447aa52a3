import { existsSync } from 'node:fs';
import { runDir } from '../../host/paths.ts';
import { findProgram } from '../../host/run.ts';
import { mayBeAlive } from '../../records/alive.ts';
import { findStrays, isConnected } from '../../records/strays.ts';
import { listRecords, type RecordList } from '../../records/store.ts';
import { readTable } from '../../host/held-tables.ts';

/**
import { findStrays, isConnected } from '../../records/strays.ts';
 * Whether containers may live here that no record tells of: their records are in another root (that of a container with
 * the host's network), were lost, or cannot be read. Then nobody can say of a rule that it is nobody's.
 */
export async function isUnclear(listed: RecordList = listRecords()): Promise<boolean> {
  return (
    listed.broken.some(mayBeAlive) ||
    findStrays(listed).some(isConnected) ||
    (areRecordsElsewhere() && findProgram('nft') !== undefined && (await readTable('inet drawbridge')) !== undefined)
  );
}

/** The first ADD makes the folder, and nobody but "uninstall" removes it. */
export function areRecordsElsewhere(): boolean {
  return !existsSync(`${runDir}/attachments`);
}
