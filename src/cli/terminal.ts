import { writeSync } from 'node:fs';
import { systemReason } from '../text/system-error.ts';
import { paint, render, type Paint } from './paint.ts';

/** Where a command prints. stdout is for what was asked, stderr for everything about it. */
export interface Terminal {
  readonly paint: Paint;
  /** Columns; 80 where nothing tells. */
  readonly width: number;
  /** Whether a person looks at stderr, so that a progress bar is seen. */
  readonly isWatched: boolean;
  readonly out: (text: string) => void;
  readonly note: (text: string) => void;
  /** Shows lines on stdout, which is a terminal, raw or not, in the place of those before; nothing flickers. */
  readonly redraw: (text: string) => void;
}

/** Moves the cursor home; clears the rest of a line, and of the screen (ECMA-48, CUP, EL and ED). */
const steer = { home: '\u001B[H', endOfLine: '\u001B[K', below: '\u001B[J' } as const;

/** The terminal of this process. Colours on a terminal only, and never with NO_COLOR (no-color.org) or TERM=dumb. */
export function openTerminal(): Terminal {
  const { env, stdout, stderr } = process;
  const isPlain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  const asked = Number(env['COLUMNS']);
  const columns = Number.isInteger(asked) && asked > 0 ? asked : stdout.columns;
  return {
    paint,
    width: Math.max(40, columns || 80),
    isWatched: stderr.isTTY,
    out: (text) => write(1, `${render(text, !isPlain && stdout.isTTY)}\n`),
    note: (text) => write(2, `${render(text, !isPlain && stderr.isTTY)}\n`),
    redraw: (text) => {
      const lines = render(text, !isPlain && stdout.isTTY).split('\n');
      write(1, `${steer.home}${lines.map((line) => `${line}${steer.endOfLine}\r\n`).join('')}${steer.below}`);
    },
  };
}

/** Prints a JSON value as the answer of a command. */
export function printJson({ out }: Terminal, value: unknown): void {
  out(JSON.stringify(value, null, 2));
}

/**
 * A reader that has seen enough ("| head") is no failure; a full pipe is waited for. What cannot be written ends the
 * program with status 1: an answer that nobody has got is none.
 */
export function write(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(0);
      if (code === 'EAGAIN') continue;
      if (descriptor === 1) write(2, `drawbridge: Cannot write the output: ${systemReason(error)}\n`);
      process.exit(1);
    }
  }
}
