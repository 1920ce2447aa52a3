import type { Command, Option } from '../command.ts';
import { groups, sourceOf, summaryOf } from './words.ts';

/** Completion for fish. */
export function fishScript(commands: readonly Command[]): string {
  const firsts = [...groups(commands)].flatMap(([first, seconds]) => [
    offer('__fish_use_subcommand', first, summaryOf(first, commands)),
    ...seconds.map((second) =>
      offer(
        `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${seconds.join(' ')}`,
        second,
        commands.find(({ name }) => name === `${first} ${second}`)?.summary ?? '',
      ),
    ),
  ]);
  const lines = commands.flatMap(({ name, operands = [], options = [] }) => {
    const seen = quoted(
      name
        .split(' ')
        .map((word) => `__fish_seen_subcommand_from ${word}`)
        .join('; and '),
    );
    const [first] = operands;
    const takes = first === undefined ? '' : sourceWords(first.values, first.completes);
    return [
      ...(takes === '' ? [] : [`complete -c drawbridge -n ${seen}${takes}`]),
      ...options.map(({ flag, short, about, values, completes }) => {
        const [word = '', value] = flag.split(' ');
        const given =
          value === undefined ? '' : ` ${completes === 'files' ? '-r' : '-x'}${sourceWords(values, completes)}`;
        return `complete -c drawbridge -n ${seen} -l ${word.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}${given} -d ${quoted(about)}`;
      }),
    ];
  });
  return [
    '# fish completion of drawbridge: drawbridge completion fish > ~/.config/fish/completions/drawbridge.fish',
    'complete -c drawbridge -f',
    'complete -c drawbridge -l help -d "Show options and examples"',
    ...firsts,
    ...lines,
  ].join('\n');
}

function offer(condition: string, word: string, about: string): string {
  return `complete -c drawbridge -n ${quoted(condition)} -a ${quoted(word)} -d ${quoted(about)}`;
}

/** What fish offers, as options of `complete`. */
function sourceWords(values: readonly string[] | undefined, completes: Option['completes']): string {
  const source = sourceOf(completes);
  if (values !== undefined) return ` -a ${quoted(values.join(' '))}`;
  if (source !== undefined) return ` -a ${quoted(`(${source})`)}`;
  if (completes === 'folders') return ` -a ${quoted('(__fish_complete_directories)')}`;
  return completes === 'files' ? ' -F' : '';
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
