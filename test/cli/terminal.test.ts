import xterm from '@xterm/headless';
import { describe, expect, test } from 'vitest';
import { paint, render } from '../../src/cli/paint.ts';
import { printTable } from '../../src/cli/table.ts';
import { hang, wrap } from '../../src/cli/wrap.ts';

/** What a person sees on a terminal of so many columns: its lines, and each cell that is not in the usual colours. */
async function shown(text: string, columns: number): Promise<{ lines: string[]; red: string; isOpen: boolean }> {
  const terminal = new xterm.Terminal({ cols: columns, rows: 100, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(`${text.replaceAll('\n', '\r\n')}\r\nX`, resolve));
  const { active } = terminal.buffer;
  const rows = Array.from({ length: active.length }, (_, index) => active.getLine(index)).filter(
    (line) => line !== undefined,
  );
  const red = rows.map((row) =>
    Array.from({ length: columns }, (_, at) => row.getCell(at))
      .map((cell) => (cell?.getFgColor() === 1 ? cell.getChars() : ''))
      .join(''),
  );
  const lines = rows.map((row) => row.translateToString(true));
  const last = lines.findLastIndex((line) => line === 'X');
  const end = rows[last]?.getCell(0);
  return {
    lines: lines.slice(0, last),
    red: red.join(''),
    isOpen: end?.isBold() !== 0 || end?.isDim() !== 0 || end?.isFgDefault() !== true,
  };
}

function table(width: number, rows: readonly (readonly string[])[]): string {
  const printed: string[] = [];
  const out = (text: string): void => void printed.push(text);
  printTable(
    { out, paint, width },
    [
      { title: 'CONTAINER', narrowest: 12 },
      { title: 'ADDRESS', narrowest: 15 },
      { title: 'POLICY', narrowest: 12 },
    ],
    rows,
  );
  return printed.join('\n');
}

const rows = [
  ['web0', '10.88.0.2\nfd00:88::2', paint.bad('allowlist: registries, container-registries, os-packages, 12 entries')],
  [`${'f'.repeat(64)} ${paint.warn('!')}`, '10.88.0.3', paint.warn('none')],
  ['東京-web', '10.88.0.4', paint.strong(`a ${paint.bad('red')} word`)],
];

describe('a table', () => {
  test.each([60, 80, 200])('looks in colour as it does without on %i columns', async (columns) => {
    const text = table(columns, rows);
    const coloured = await shown(render(text, true), columns);
    const plain = await shown(render(text, false), columns);
    expect(coloured.lines).toEqual(plain.lines);
    expect(coloured.lines.join('\n')).not.toMatch(/\[\d*m|\d{2}m/);
    expect(coloured.red.replaceAll(' ', '')).toBe('allowlist:registries,container-registries,os-packages,12entriesred');
    expect(coloured.isOpen).toBe(false);
  });

  test.each([60, 80])('has no line that is wider than %i columns', async (columns) => {
    const { lines } = await shown(render(table(columns, rows), true), columns + 40);
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
  });
});

describe('text in colour', () => {
  test('is broken by what is seen of it', () => {
    const words = ['mends', paint.link('what'), 'was', paint.strong('broken before')];
    expect(render(wrap(words.join(' '), 18), false)).toBe('mends what was\nbroken before');
    expect(render(hang(paint.bad('one two three'), 12, 4), false)).toBe('one two\n    three');
  });

  test('of others steers nothing', async () => {
    const hostile = 'nginx\u001b[2J\u001b]0;title\u0007\r\u009b31m';
    const text = render(paint.bad(hostile), true);
    expect(text.replaceAll(/\u001b\[(?:0|31)m/g, '')).toBe(
      String.raw`nginx\u001b[2J\u001b]0;title\u0007\u000d\u009b31m`,
    );
    expect((await shown(text, 80)).isOpen).toBe(false);
  });
});
