import { setTimeout as sleep } from 'node:timers/promises';
import { forgetContainerNames } from '../../repair/survey/container-names.ts';
import { count } from '../../repair/survey/words.ts';
import type { Invocation } from '../command.ts';
import type { Terminal } from '../terminal.ts';
import { columnsOf } from '../wrap.ts';

/** Milliseconds between two looks. */
const interval = 2000;

/**
 * Shows a list once; with `--watch` again whenever it has changed, until it is interrupted: on a terminal in the place
 * of the one before, and elsewhere below it, apart by an empty line, or by "---" in YAML. Returns the exit status.
 */
export async function showAgain(
  invocation: Invocation,
  format: string,
  terminal: Terminal,
  show: (terminal: Terminal) => Promise<number>,
): Promise<number> {
  if (invocation.options['watch'] !== true) return show(terminal);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  const isForPerson = ['table', 'wide', 'text'].includes(format);
  const isLive = process.stdout.isTTY && isForPerson;
  const between = format === 'yaml' ? '---\n' : isForPerson ? '\n' : '';
  let before: string | undefined;
  while (!stop.signal.aborted) {
    forgetContainerNames();
    const shown = await textOf(show, terminal);
    if (isLive) terminal.redraw(screenful(shown, terminal));
    else if (shown !== before) terminal.out(`${before === undefined ? '' : between}${shown}`);
    before = shown;
    await sleep(interval, undefined, { signal: stop.signal }).catch(() => {});
  }
  return 0;
}

async function textOf(show: (terminal: Terminal) => Promise<number>, terminal: Terminal): Promise<string> {
  const parts: string[] = [];
  const add = (text: string): void => void parts.push(text);
  await show({ ...terminal, isWatched: false, out: add, note: add });
  return parts.join('\n');
}

/** As many lines as the terminal has rows; the last one stays, since totals stand there. */
export function screenful(text: string, { width }: Pick<Terminal, 'width'>, rows = process.stdout.rows || 24): string {
  const lines = text.split('\n');
  const heightOf = (line: string): number => Math.max(1, Math.ceil(columnsOf(line) / width));
  // The cursor stands below what is shown.
  const room = Math.max(4, rows) - 1;
  if (lines.reduce((sum, line) => sum + heightOf(line), 0) <= room) return text;
  const last = lines.at(-1) ?? '';
  const kept: string[] = [];
  let used = heightOf(last) + 1;
  for (const line of lines.slice(0, -1)) {
    used += heightOf(line);
    if (used > room) break;
    kept.push(line);
  }
  return [...kept, `... and ${count(lines.length - kept.length - 1, 'more line')}`, last].join('\n');
}
