import { visible } from '../../text/visible.ts';

/** A rectangle on the picture, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface TextStyle {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** Names of classes of the style sheet. */
  readonly look: string;
  readonly weight?: number;
  readonly anchor?: 'middle' | 'end';
  /** Pixels: longer text ends with an ellipsis. */
  readonly room?: number;
}

/** One line of text. */
export function text(words: string, { x, y, size, look, weight, anchor, room = Infinity }: TextStyle): string {
  const shown = shorten(
    words,
    (part) => widthOf(part, size * (weight === 700 ? 1.06 : 1), look.includes('mono')) <= room,
  );
  const attributes = [
    `x="${round(x)}"`,
    `y="${round(y)}"`,
    `font-size="${size}"`,
    `class="${look}"`,
    ...(weight === undefined ? [] : [`font-weight="${weight}"`]),
    ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
  ];
  return `<text ${attributes.join(' ')}>${escape(shown)}</text>`;
}

function shorten(words: string, fits: (part: string) => boolean): string {
  if (fits(words)) return words;
  for (let length = words.length - 1; length > 1; length--) {
    const part = `${words.slice(0, length).trimEnd()}…`;
    if (fits(part)) return part;
  }
  return '…';
}

/** Parts of the size that characters are wide in the sans-serif fonts of most machines; others are 0.56. */
const widths: readonly (readonly [RegExp, number])[] = [
  [/[ijl.,:;'|!]/, 0.25],
  [/[ftrI ()[\]-]/, 0.32],
  [/[mwMW…]/, 0.85],
  [/[A-Z]/, 0.69],
];

/** About how wide a line of text becomes; which font a reader has is not known. */
export function widthOf(words: string, size: number, isMono = false): number {
  if (isMono) return words.length * size * 0.61;
  const parts = Array.from(words, (character) => widths.find(([pattern]) => pattern.test(character))?.[1] ?? 0.56);
  return size * parts.reduce((sum, part) => sum + part, 0);
}

/** Text that is safe in XML: names of containers are anybody's words. */
export function escape(words: string): string {
  return visible(words)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** As {@link escape}, of several lines. */
export function escapeLines(lines: readonly string[]): string {
  return lines.map(escape).join('\n');
}

/** A box with round corners. */
export function rectangle({ x, y, width, height }: Box, radius: number, attributes: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="${radius}" ${attributes}/>`;
}

/** Shorter numbers; a tenth of a pixel is not seen. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
