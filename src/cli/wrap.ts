import stringWidth from 'string-width';
import { closeLines, unpainted } from './paint.ts';

/** Columns that a line takes on a terminal; marks of paint take none. */
export function columnsOf(text: string): number {
  return stringWidth(unpainted(text));
}

/**
 * Paragraphs broken at spaces so that no line is longer than the terminal, with an indent from the second line on. A
 * word that is longer than a line, such as a name of 90 letters, is broken anywhere.
 */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((whole) => cut(whole, width - columnsOf(indent)))) {
    if (line !== '' && columnsOf(line) + 1 + columnsOf(word) > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join('\n');
}

/** Text that begins at a column, broken so that every line begins there and none is longer than the terminal. */
export function hang(text: string, width: number, column: number): string {
  return wrap(text, width - column).replaceAll('\n', `\n${' '.repeat(column)}`);
}

/**
 * Lines of at most so many columns, broken at spaces where there are some and anywhere else. Each is painted by itself.
 */
export function breakText(text: string, width: number): string[] {
  return closeLines(
    text.split('\n').flatMap((paragraph) =>
      wrap(paragraph, width)
        .split('\n')
        .flatMap((line) => cut(line, width)),
    ),
  );
}

function cut(line: string, width: number): string[] {
  if (columnsOf(line) <= width) return [line];
  const parts: string[] = [];
  let part = '';
  for (const { segment } of graphemes.segment(line)) {
    if (part !== '' && columnsOf(part + segment) > width) {
      parts.push(part);
      part = '';
    }
    part += segment;
  }
  return [...parts, part];
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
