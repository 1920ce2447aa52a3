/** "drawbridge top" on a terminal. */
import { join } from 'node:path';
import xterm from '@xterm/headless';
import { executable } from '../helpers/executable.ts';
import { expect, test } from '../helpers/host.ts';
import { attach, withPolicy } from './cli.ts';

/** What a terminal shows after each size that its window had. */
async function screensOf(sent: string, columns: number): Promise<{ lines: string[]; kind: string }[]> {
  const terminal = new xterm.Terminal({ cols: columns, rows: 50, allowProposedApi: true });
  const screens: { lines: string[]; kind: string }[] = [];
  for (const [index, part] of sent.split(/\u001b\]777;(\d+;\d+)\u0007/).entries()) {
    const [width = 0, height = 0] = part.split(';').map(Number);
    if (index % 2 === 1) terminal.resize(width, height);
    else {
      await new Promise<void>((resolve) => terminal.write(part, resolve));
      const { active } = terminal.buffer;
      screens.push({
        lines: Array.from({ length: active.length }, (_, at) => active.getLine(at)?.translateToString(true) ?? ''),
        kind: active.type,
      });
    }
  }
  return screens;
}

test('top sorts at the press of a key, follows the size of the window, and gives the terminal back', async ({
  host,
}) => {
  await host.outside();
  for (const name of ['zebra', 'ant', 'mole']) await attach(host, withPolicy({ mode: 'restricted' }), name);
  const sent = await host.run(
    [
      'python3',
      join(import.meta.dirname, '../helpers/terminal.py'),
      '100',
      JSON.stringify([
        ['by bytes', 'n'],
        ['by name', 'c'],
        ['by connections', [60, 5]],
        ['by connections', 'd'],
        ['by denied', 'q'],
      ]),
      'sh',
      '-c',
      `stty -g; ${executable} top --interval 0.5; echo status $?; stty -g`,
    ],
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' }, timeout: 60_000 },
  );
  const [wide, end] = await screensOf(sent, 100);
  expect(wide?.kind).toBe('alternate');
  expect(wide?.lines[0]).toBe('3 containers, 0 B/s, 0 connections; by connections: b c d n sort, q ends');
  expect(wide?.lines.slice(1, 6).map((line) => line.split(' ')[0])).toEqual(['CONTAINER', 'ant', 'mole', 'zebra', '']);
  // What was sent after the window became smaller: four lines, of which one says that there are more.
  const small = (sent.split('\u0007').at(-1) ?? '').split('by denied')[1]?.split('\u001b[J')[0];
  expect(small).toContain('more line');
  expect(small).not.toContain('ant');
  expect(end?.kind).toBe('normal');
  // What "stty -g" says before and after is longer than a line.
  const [before, after] = (end?.lines ?? []).join('').split('status 0');
  expect(before).toMatch(/^[0-9a-f:]{50,}$/);
  expect(after).toBe(before);
  expect(sent.lastIndexOf('\u001b[?25h')).toBeGreaterThan(sent.lastIndexOf('\u001b[?25l'));
  expect(sent).not.toContain(String.raw`\u001b`);
});
