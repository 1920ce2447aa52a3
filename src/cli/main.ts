import { CniError } from '../cni/errors.ts';
import { nearestTo } from '../cni/nearest.ts';
import { unknown, UsageError, type Command } from './command.ts';
import { commands } from './commands.ts';
import { helpOf, overview } from './help.ts';
import { parseWords } from './parse.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/**
 * The operator's command line. Returns the exit status: 0 yes, 1 no or failed, 2 when what was typed cannot be
 * understood, 3 when a question could not be answered.
 */
export async function runCommandLine(words: readonly string[], version: string): Promise<number> {
  const terminal = openTerminal();
  try {
    return await dispatch(words, version, terminal);
  } catch (error) {
    return report(error, terminal);
  }
}

async function dispatch(words: readonly string[], version: string, terminal: Terminal): Promise<number> {
  const [first = ''] = words;
  if (first === '--version' || first === 'version') {
    terminal.out(`drawbridge ${version}`);
    return 0;
  }
  if (first === '' || first === '--help' || first === '-h' || first === 'help') return help(words.slice(1), terminal);
  const command = findCommand(words);
  const rest = words.slice(command.name.split(' ').length);
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.out(helpOf(command, terminal));
    return 0;
  }
  const parsed = parseWords(command, rest);
  try {
    if (command.needsRoot && process.getuid?.() !== 0)
      throw new CniError(
        1,
        `Cannot run "drawbridge ${command.name}": root is needed to look into the host's network`,
        `Run "sudo drawbridge ${words.join(' ')}"`,
      );
    const { run } = await command.load();
    return await run({ ...parsed, version, commands }, terminal);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(error.message, command.name);
    const failed = report(error, terminal);
    return command.isQuestion === true ? unknown : failed;
  }
}

/** The command that the first words name. Throws {@link UsageError}. */
function findCommand(words: readonly string[]): Command {
  const [first = '', second = ''] = words;
  const found =
    commands.find(({ name }) => name === `${first} ${second}`) ?? commands.find(({ name }) => name === first);
  if (found !== undefined) return found;
  const group = commands.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0) {
    const list = group.map(({ name }) => `"${name}"`).join(', ');
    throw new UsageError(
      second === '' || second.startsWith('-')
        ? `"${first}" is one of ${list}`
        : `There is no command "${first} ${second}": "${first}" is one of ${list}`,
    );
  }
  const near = nearestTo(first, [
    ...new Set(commands.filter(({ hidden }) => hidden !== true).map(({ name }) => name.split(' ', 1)[0] ?? '')),
  ]);
  throw new UsageError(`There is no command "${first}"${near === undefined ? '' : `: the nearest one is "${near}"`}`);
}

function help(words: readonly string[], terminal: Terminal): number {
  const topic = words.filter((word) => !word.startsWith('-'));
  if (topic.length === 0) terminal.out(overview(terminal));
  else if (commands.some(({ name }) => name === topic.join(' '))) terminal.out(helpOf(findCommand(topic), terminal));
  else {
    const group = commands.filter(({ name }) => name.startsWith(`${topic.join(' ')} `));
    if (group.length === 0) findCommand(topic);
    terminal.out(group.map((command) => helpOf(command, terminal)).join('\n\n'));
  }
  return 0;
}

function report(error: unknown, { note, paint }: Terminal): number {
  if (error instanceof UsageError) {
    note(`${paint.bad('drawbridge:')} ${error.message}`);
    note(
      error.command === undefined
        ? 'Run "drawbridge help" for the commands'
        : `Run "drawbridge ${error.command} --help" for examples`,
    );
    return 2;
  }
  if (error instanceof CniError) {
    note(`${paint.bad('drawbridge:')} ${error.message}`);
    if (error.details !== undefined && error.details !== '') note(`  ${error.details.split('\n').join('\n  ')}`);
    return 1;
  }
  note(`${paint.bad('drawbridge:')} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
}
