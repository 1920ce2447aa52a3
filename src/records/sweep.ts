import { rmSync, statSync } from 'node:fs';
import { listDrafts } from '../host/files.ts';
import { releaseAbandoned, withLock } from '../host/lock.ts';
import { runDir, stateDir } from '../host/paths.ts';
import { sweepIndex } from './index-files.ts';

/** Milliseconds; no file takes so long to write. */
const unfinishedAge = 60_000;

/**
 * Removes what killed processes left that does no harm and that no other verb looks for: files that were never
 * finished, index entries without a record, locks that nobody may ask for again. Throws code 11 when
 * the lock of the tables is not to be had.
 */
export async function sweep(): Promise<void> {
  await withLock('tables', 'sweep', () => {
    for (const folder of ['attachments', 'ports', 'addresses', 'exclusive', 'bridges', 'firewall', 'listings'])
      removeUnfinished(`${runDir}/${folder}`);
    removeUnfinished(runDir);
    removeUnfinished(stateDir);
    for (const folder of ['boot', 'names', 'sticky']) removeUnfinished(`${stateDir}/${folder}`);
    sweepIndex();
    releaseAbandoned();
  });
}

function removeUnfinished(folder: string): void {
  for (const { name } of listDrafts(folder)) {
    const file = `${folder}/${name}`;
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && mtimeMs < Date.now() - unfinishedAge) rmSync(file, { force: true });
  }
}
