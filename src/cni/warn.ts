import { visibleLines } from '../text/visible.ts';

/** Tells a person, on stderr: runtimes log it, or show it with the error when the verb fails. */
export function warn(text: string): void {
  process.stderr.write(visibleLines(`drawbridge: ${text}\n`));
}
