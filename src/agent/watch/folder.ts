import { mkdirSync, watch } from 'node:fs';
import { systemReason } from '../../text/system-error.ts';

/** Milliseconds within which the changes of one save, or of one ADD, count as one. */
const together = 20;
/** Milliseconds between attempts to watch a folder that cannot be watched. */
const pause = 1000;

export interface FolderWatch {
  /** Why changes are not seen; undefined while they are. */
  readonly problem: string | undefined;
  stop(): void;
}

/**
 * Calls when files of a folder come, change or go (inotify). A folder that is not there is made, so that there is
 * something to watch; one that is taken away and made again is watched again.
 */
export function watchFolder(folder: string, mode: number, onChange: () => void): FolderWatch {
  let watcher: ReturnType<typeof watch> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let problem: string | undefined;
  let isStopped = false;
  start();
  return {
    get problem() {
      return problem;
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      watcher?.close();
    },
  };

  function start(): void {
    if (isStopped) return;
    try {
      mkdirSync(folder, { recursive: true, mode });
      watcher = watch(folder, (event, name) => {
        // A file that is written under another name first is changed when it is renamed.
        if (name?.startsWith('.') === true) return;
        soon();
        if (event === 'rename' && name === null) again();
      });
      watcher.on('error', again);
    } catch (error) {
      problem = `Cannot watch the folder "${folder}": ${systemReason(error)}`;
      again();
      return;
    }
    // What changed while nobody watched.
    if (problem !== undefined) soon();
    problem = undefined;
  }

  function soon(): void {
    clearTimeout(timer);
    timer = setTimeout(onChange, together);
  }

  function again(): void {
    watcher?.close();
    if (!isStopped) setTimeout(start, pause).unref();
  }
}
