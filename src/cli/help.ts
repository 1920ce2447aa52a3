import { flagWords, type Command } from './command.ts';
import { commands } from './commands.ts';
import { usageLine } from './parse.ts';
import type { Terminal } from './terminal.ts';
import { hang, wrap } from './wrap.ts';

/** What the exit status of a command means. */
export const exitStatusWords = 'Exit status: 0 yes, 1 no or failed, 2 not understood, 3 could not tell.';

/** Widest text, also on wide terminals: longer lines are hard to read. */
const widest = 100;

/** What `drawbridge help` prints. */
export function overview({ paint, width }: Pick<Terminal, 'paint' | 'width'>): string {
  const visible = commands.filter(({ hidden }) => hidden !== true);
  const column = Math.max(...visible.map(({ name }) => name.length)) + 4;
  const room = Math.min(width, widest);
  return [
    'drawbridge lets containers out over a bridge and decides how far they get.',
    '',
    paint.strong('Usage'),
    '  drawbridge COMMAND [OPTIONS]',
    '',
    paint.strong('Commands'),
    ...visible.map(({ name, summary }) => `  ${name.padEnd(column - 2)}${hang(summary, room, column)}`),
    '',
    wrap(
      `Commands that answer a question take --json; all take --help, which shows options and examples. ${exitStatusWords}`,
      room,
    ),
  ].join('\n');
}

/** What `drawbridge COMMAND --help` prints. */
export function helpOf(command: Command, { paint, width }: Pick<Terminal, 'paint' | 'width'>): string {
  const { summary, about = [], operands = [], options = [], examples } = command;
  const room = Math.min(width, widest);
  const terms = [
    ...operands.map(({ name, about: text }) => ({ term: name, text })),
    ...options.map((option) => ({
      term: flagWords(option),
      text: option.values === undefined ? option.about : `${option.about} (${option.values.join(', ')})`,
    })),
  ];
  const column = Math.max(0, ...terms.map(({ term }) => term.length)) + 4;
  return [
    `${summary}.`,
    '',
    paint.strong('Usage'),
    `  ${wrap(usageLine(command), room - 2, '      ')}`,
    ...about.flatMap((paragraph) => ['', wrap(paragraph, room)]),
    ...(terms.length === 0 ? [] : ['', paint.strong('Arguments and options')]),
    ...terms.map(
      ({ term, text }) => `  ${paint.link(term)}${' '.repeat(column - 2 - term.length)}${hang(text, room, column)}`,
    ),
    '',
    paint.strong('Examples'),
    ...examples.flatMap(({ line, about: text }) => [`  ${paint.faint(`# ${text}`)}`, `  ${line}`]),
  ].join('\n');
}
