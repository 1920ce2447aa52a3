import { listFolder, readTrimmed } from '../doctor/read.ts';

/** Whether the agent runs, told by its process: a socket may be left of one that was killed. */
export function isAgentRunning(): boolean {
  return listFolder('/proc').some(
    (pid) => /^\d+$/.test(pid) && /(?:^|\/)drawbridge\0agent\0/.test(`${readTrimmed(`/proc/${pid}/cmdline`) ?? ''}\0`),
  );
}
