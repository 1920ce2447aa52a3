import { readdirSync, rmSync, statSync } from 'node:fs';
import { releaseAbandoned, withLock } from '../host/lock.ts';
import { runDir, stateDir } from '../host/paths.ts';
import { attachmentLockPrefix } from './attachment-lock.ts';
import { sweepIndex } from './index-files.ts';
import { isMissing } from './store.ts';

/** Milliseconds; no file takes so long to write. */
const unfinishedAge = 60_000;

/**
 * Removes what killed processes left that does no harm and that no other verb looks for: files that were never
 * finished, index entries without a record, locks of attachments that nobody will ask for again. Throws code 11 when the lock of the tables is not to be had.
 */
export async function sweep(): Promise<void> {
  await withLock('tables', 'sweep', () => {
    for (const folder of ['attachments', 'ports', 'addresses', 'bridges', 'firewall', 'listings'])
      removeUnfinished(`${runDir}/${folder}`);
    removeUnfinished(`${stateDir}/boot`);
    sweepIndex();
    releaseAbandoned(attachmentLockPrefix);
  });
}

/** Files in the making have the number of their process in their names. */
function removeUnfinished(folder: string): void {
  for (const name of namesIn(folder)) {
    if (!/^\.|\.json\.\d+/u.test(name)) continue;
    const file = `${folder}/${name}`;
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && mtimeMs < Date.now() - unfinishedAge) rmSync(file, { force: true });
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
