/**
 * A timeline of what this process does, for a person who asks where the time goes.
 *
 * With DRAWBRIDGE_TRACE=FILE in the environment, phases and children are appended to FILE as events of the Chrome
 * trace format ("complete events", times in microseconds since 1970), which chrome://tracing and
 * ui.perfetto.dev open. The format allows the closing "]" to be missing, so that the plugins of a chain can append to
 * one file. Row 0 holds the phases, further rows the children that ran side by side.
 *
 * Without the variable a call costs one comparison.
 */
import { appendFileSync, existsSync, statSync } from 'node:fs';
import { systemReason } from '../text/system-error.ts';

const file = process.env['DRAWBRIDGE_TRACE'] ?? '';
const events: string[] = [];
/** For each row whether something is drawn on it now. */
const rows: boolean[] = [true];

/** Notes a phase of the work; it may begin while another one goes on. */
export async function phase<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  if (file === '') return work();
  const end = begin(name);
  try {
    return await work();
  } finally {
    end();
  }
}

/** Notes that something begins, a child for instance; what it returns is called at its end. */
export function begin(name: string, details: () => Readonly<Record<string, string>> = () => ({})): () => void {
  if (file === '') return nothing;
  if (events.length === 0) start();
  const at = performance.now();
  const free = rows.indexOf(false);
  const row = free === -1 ? rows.length : free;
  rows[row] = true;
  return () => {
    rows[row] = false;
    note(name, { at, row, details: details() });
  };
}

function nothing(): void {}

/** What passed before the first phase is the start of the runtime and the loading of the program. */
function start(): void {
  note('start', { at: 0, row: 0, details: { called: process.argv0, verb: process.env['CNI_COMMAND'] ?? '' } });
  process.once('exit', () => {
    note('process', { at: 0, row: 0, details: {} });
    try {
      const begins = !existsSync(file) || statSync(file).size === 0;
      appendFileSync(file, `${begins ? '[\n' : ''}${events.join('')}`);
    } catch (error) {
      process.stderr.write(`Cannot write "${file}": ${systemReason(error)}\n`);
    }
  });
}

function note(name: string, { at, row, details }: { at: number; row: number; details: object }): void {
  const now = performance.now();
  const event = {
    name,
    ph: 'X',
    pid: process.pid,
    tid: row,
    ts: Math.round((performance.timeOrigin + at) * 1000),
    dur: Math.round((now - at) * 1000),
    args: details,
  };
  events.push(`${JSON.stringify(event)},\n`);
}
