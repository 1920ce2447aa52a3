import { screenful } from '../list/again.ts';
import { write, type Terminal } from '../terminal.ts';

export interface ScreenOptions {
  readonly onKey: (key: string) => void;
  /** The window has another size: what is on it has to be drawn again. */
  readonly onResize: () => void;
}

/** A terminal that one program has to itself for a while. */
export interface Screen {
  /** Shows lines, made for the width of now, in place of those before. */
  draw(make: (terminal: Terminal) => readonly string[]): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/** The other screen and its cursor (DEC's private modes, as xterm has them). */
const sequences = { begin: '\u001b[?1049h\u001b[?25l', end: '\u001b[?25h\u001b[?1049l' } as const;

/** Takes the terminal: a screen of its own without a cursor, keys one by one. */
export function openScreen(terminal: Terminal, { onKey, onResize }: ScreenOptions): Screen {
  const { stdin, stdout } = process;
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stdin.off('data', onKey);
    stdout.off('resize', onResize);
    process.off('exit', close);
    stdin.setRawMode(false);
    stdin.pause();
    write(1, sequences.end);
  };
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.on('data', onKey);
  stdout.on('resize', onResize);
  // Also when something is thrown that nobody catches.
  process.on('exit', close);
  write(1, sequences.begin);
  return {
    draw: (make) => {
      const width = Math.max(40, stdout.columns || 80);
      terminal.redraw(screenful(make({ ...terminal, width }).join('\n'), { width }));
    },
    close,
  };
}
