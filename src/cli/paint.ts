import { visibleLines } from '../text/visible.ts';

/** Words that a picture of colours gives meaning to. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly link: (text: string) => string;
}

/** Parameters of "select graphic rendition" (ECMA-48, 8.3.117). */
const renditions = { good: 32, bad: 31, warn: 33, strong: 1, faint: 2, link: 36 } as const;

/** Marks in place of colours, so that text is measured and broken first, and painted last: noncharacters of Unicode. */
const end = '\ufdd0';
const beginOf = new Map(
  Object.keys(renditions).map((name, index) => [name as keyof Paint, String.fromCharCode(0xfdd1 + index)]),
);
const renditionOf = new Map([...beginOf].map(([name, mark]) => [mark, renditions[name]]));
const marks = /[\ufdd0-\ufdd6]/g;

/** Marks text; {@link render} makes colours of the marks. */
export const paint = Object.fromEntries(
  [...beginOf].map(([name, mark]) => [name, (text: string) => `${mark}${text}${end}`]),
) as unknown as Paint;

/** Text without marks: what takes room on a terminal. */
export function unpainted(text: string): string {
  return text.replaceAll(marks, '');
}

/**
 * Lines each of which opens and closes its marks itself, of lines among which a mark may span several: a cell of a
 * table ends at each line.
 */
export function closeLines(lines: readonly string[]): string[] {
  let open: string[] = [];
  return lines.map((line) => {
    const before = open.join('');
    for (const [mark] of line.matchAll(marks)) open = mark === end ? open.slice(0, -1) : [...open, mark];
    return `${before}${line}${end.repeat(open.length)}`;
  });
}

/**
 * Text for a terminal: colours where marks are, or none, and every other character that would steer it made visible.
 */
export function render(text: string, isColoured: boolean): string {
  const lines = closeLines(text.split('\n'));
  return lines.map((line) => renderLine(line, isColoured)).join('\n');
}

function renderLine(line: string, isColoured: boolean): string {
  const open: number[] = [];
  let rendered = '';
  let at = 0;
  for (const { 0: mark, index } of line.matchAll(marks)) {
    rendered += visibleLines(line.slice(at, index));
    at = index + 1;
    if (mark === end) open.pop();
    else open.push(renditionOf.get(mark) ?? 0);
    if (isColoured) rendered += mark === end ? `\x1b[${[0, ...open].join(';')}m` : `\x1b[${open.at(-1)}m`;
  }
  return rendered + visibleLines(line.slice(at));
}
