import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

interface Event {
  name: string;
  ph: string;
  tid: number;
  ts: number;
  dur: number;
  args: Record<string, string>;
}

const trace = join(import.meta.dirname, '../../src/host/trace.ts');
const run = join(import.meta.dirname, '../../src/host/run.ts');
const program = `
  const { phase } = await import(${JSON.stringify(trace)});
  const { run } = await import(${JSON.stringify(run)});
  await phase('outer', async () => {
    await run('cat', [], { input: 'text' });
    await phase('inner', () => 1);
  });
  console.log('done');
`;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trace-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function start(file: string | undefined): string {
  const env = { ...process.env, CNI_COMMAND: 'ADD', ...(file === undefined ? {} : { DRAWBRIDGE_TRACE: file }) };
  return execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env });
}

function readEvents(file: string): Event[] {
  return JSON.parse(readFileSync(file, 'utf8').replace(/,\s*$/u, ']')) as Event[];
}

test('a timeline has the phases in their order, and the children with their command and input', () => {
  const file = join(folder, 'trace.json');
  expect(start(file)).toBe('done\n');
  const events = readEvents(file);
  const of = (name: string): Event => events.find((event) => event.name === name)!;
  expect(of('cat').args).toEqual({ command: 'cat', input: 'text' });
  expect(of('start').args['verb']).toBe('ADD');
  expect(of('cat').ts).toBeGreaterThanOrEqual(of('outer').ts);
  expect(of('inner').ts).toBeGreaterThanOrEqual(of('cat').ts + of('cat').dur - 2);
  expect(of('outer').ts + of('outer').dur).toBeGreaterThanOrEqual(of('inner').ts + of('inner').dur - 2);
  expect(events.every(({ ph }) => ph === 'X')).toBe(true);
});

test('the plugins of a chain append to one timeline', () => {
  const file = join(folder, 'trace.json');
  start(file);
  start(file);
  expect(readEvents(file).filter(({ name }) => name === 'process')).toHaveLength(2);
});

test('nothing is written when nobody asks for a timeline', () => {
  expect(start(undefined)).toBe('done\n');
  expect(existsSync(join(folder, 'trace.json'))).toBe(false);
});

test('a file that cannot be written harms nothing', () => {
  expect(start(join(folder, 'missing/trace.json'))).toBe('done\n');
});
