import { mkdirSync, watch } from 'node:fs';

/** Milliseconds within which the changes of one save, or of one ADD, count as one. */
const together = 20;

/**
 * Calls when files of a folder come, change or go (inotify). A folder that is not there is made, so that there is
 * something to watch; one that is taken away and made again is watched again.
 */
export function watchFolder(folder: string, mode: number, onChange: () => void): { stop(): void } {
  let watcher: ReturnType<typeof watch> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  start();
  return {
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      watcher?.close();
    },
  };

  function start(): void {
    try {
      mkdirSync(folder, { recursive: true, mode });
      watcher = watch(folder, (event, name) => {
        // A file that is written under another name first is changed when it is renamed.
        if (name?.startsWith('.') === true) return;
        clearTimeout(timer);
        timer = setTimeout(onChange, together);
        if (event === 'rename' && name === null) again();
      });
      watcher.on('error', again);
    } catch {
      again();
    }
  }

  function again(): void {
    watcher?.close();
    if (!isStopped) setTimeout(start, 1000).unref();
  }
}
