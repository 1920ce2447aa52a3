import type { Command, Option } from '../command.ts';
import { groups, sourceOf, summaryOf } from './words.ts';

/** Completion for zsh, with what each word means beside it. */
export function zshScript(offered: readonly Command[]): string {
  return `#compdef drawbridge
# zsh completion of drawbridge: drawbridge completion zsh > "\${fpath[1]}/_drawbridge"
_drawbridge() {
  local -a offered
  if (( CURRENT == 2 )); then
    offered=(${[...groups(offered).keys()].map((first) => pair(first, summaryOf(first, offered))).join(' ')} ${pair('help', 'Show help')})
    _describe command offered
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${groupCases(offered).join('\n')}
  esac
  case $command in
${offered.map((command) => `    '${command.name}') _arguments -s ${specs(command).join(' ')} ;;`).join('\n')}
  esac
}
# Autoloaded it completes at once; sourced, it has to be told what it is for.
if [[ $funcstack[1] == _drawbridge ]]; then _drawbridge "$@"; else compdef _drawbridge drawbridge; fi`;
}

/** The second words of those that have some. */
function groupCases(offered: readonly Command[]): string[] {
  return [...groups(offered)]
    .filter(([, seconds]) => seconds.length > 0)
    .map(([first, seconds]) => {
      const pairs = seconds.map((second) =>
        pair(second, offered.find(({ name }) => name === `${first} ${second}`)?.summary ?? ''),
      );
      return [
        `    ${first})`,
        '      if (( CURRENT == 2 )); then',
        `        offered=(${pairs.join(' ')})`,
        '        _describe command offered',
        '        return',
        '      fi',
        '      command="$command $words[2]"',
        '      shift words',
        '      (( CURRENT-- ))',
        '      ;;',
      ].join('\n');
    });
}

/** Arguments of _arguments (zshcompsys(1)). */
function specs({ options = [], operands = [] }: Command): string[] {
  return [
    quoted('--help[Show options and examples]'),
    ...options.map(({ flag, about, values, completes }) => {
      const [name = '', value] = flag.split(' ');
      const takes = value === undefined ? '' : `:${value}:${actionOf(values, completes)}`;
      return quoted(`${name}[${about.replaceAll(/[[\]:]/g, '\\$&')}]${takes}`);
    }),
    ...operands.map(({ name, values, completes }, index) =>
      quoted(`${name.endsWith('...') ? '*' : index + 1}:${name.replace('...', '')}:${actionOf(values, completes)}`),
    ),
  ];
}

function actionOf(values: readonly string[] | undefined, completes: Option['completes']): string {
  const source = sourceOf(completes);
  if (values !== undefined) return `(${values.join(' ')})`;
  if (source !== undefined) return `($(${source}))`;
  if (completes === 'folders') return '_files -/';
  return completes === 'files' ? '_files' : '()';
}

function pair(word: string, about: string): string {
  return quoted(`${word}:${about.replaceAll(':', '\\:')}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
