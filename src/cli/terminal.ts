import { writeSync } from 'node:fs';
import pc from 'picocolors';

/** Words that a picture of colours gives meaning to. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly link: (text: string) => string;
}

/** Where a command prints. stdout is for what was asked, stderr for everything about it. */
export interface Terminal {
  readonly paint: Paint;
  /** Columns; 80 where nothing tells. */
  readonly width: number;
  /** Whether a person looks at stderr, so that a progress bar is seen. */
  readonly isWatched: boolean;
  readonly out: (text: string) => void;
  readonly note: (text: string) => void;
}

/** The terminal of this process. Colours on a terminal only, and never with NO_COLOR (no-color.org) or TERM=dumb. */
export function openTerminal(): Terminal {
  const { env, stdout, stderr } = process;
  const isPlain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  const asked = Number(env['COLUMNS']);
  const columns = Number.isInteger(asked) && asked > 0 ? asked : stdout.columns;
  return {
    paint: makePaint(!isPlain && stdout.isTTY),
    width: Math.max(40, columns || 80),
    isWatched: stderr.isTTY,
    out: (text) => write(1, `${text}\n`),
    note: (text) => write(2, `${text}\n`),
  };
}

/** Prints a JSON value as the answer of a command. */
export function printJson({ out }: Terminal, value: unknown): void {
  out(JSON.stringify(value, null, 2));
}

/** Paragraphs broken at spaces so that no line is longer than the terminal, with an indent from the second line on. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
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

function makePaint(isColoured: boolean): Paint {
  const colours = pc.createColors(isColoured);
  return {
    good: colours.green,
    bad: colours.red,
    warn: colours.yellow,
    strong: colours.bold,
    faint: colours.dim,
    link: colours.cyan,
  };
}

/** A reader that has seen enough ("| head") is no failure; a full pipe is waited for. */
function write(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
    }
  }
}
