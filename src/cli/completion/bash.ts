import type { Command } from '../command.ts';
import { groups, sourceOf } from './words.ts';

/** Completion for bash. */
export function bashScript(offered: readonly Command[]): string {
  const firsts = [...groups(offered).keys()].join(' ');
  const cases = [...groups(offered)]
    .filter(([, seconds]) => seconds.length > 0)
    .map(
      ([first, seconds]) =>
        `    ${first}) if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "${seconds.join(' ')}" -- "$cur")); return; fi; command="$command \${COMP_WORDS[2]}" ;;`,
    );
  const values = offered.flatMap((command) =>
    (command.options ?? []).flatMap(({ flag, values: list, completes }) => {
      const name = flag.split(' ')[0];
      if (list !== undefined)
        return [`    "${command.name} ${name}") COMPREPLY=($(compgen -W "${list.join(' ')}" -- "$cur")); return ;;`];
      if (completes === 'folders')
        return [`    "${command.name} ${name}") COMPREPLY=($(compgen -d -- "$cur")); return ;;`];
      if (completes === 'files')
        return [`    "${command.name} ${name}") COMPREPLY=($(compgen -f -- "$cur")); return ;;`];
      return completes === undefined
        ? []
        : [`    "${command.name} ${name}") COMPREPLY=($(compgen -W "$(${sourceOf(completes)})" -- "$cur")); return ;;`];
    }),
  );
  const operands = offered.map((command) => {
    const kind = command.operands?.[0]?.completes;
    const source = sourceOf(kind);
    const values = command.operands?.[0]?.values ?? [];
    const words = `-W "${[...values, ...flagsOf(command), ...(source === undefined ? [] : [`$(${source})`])].join(' ')}"`;
    return `    "${command.name}") COMPREPLY=($(compgen ${kind === 'files' ? '-f ' : ''}${words} -- "$cur")) ;;`;
  });
  return `# bash completion of drawbridge: eval "$(drawbridge completion bash)"
_drawbridge() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${firsts} help" -- "$cur")); return; fi
  case "$command" in
${cases.join('\n')}
  esac
  case "$command $previous" in
${values.join('\n')}
  esac
  case "$command" in
${operands.join('\n')}
  esac
}
complete -F _drawbridge drawbridge`;
}

function flagsOf({ options = [] }: Command): string[] {
  return ['--help', ...options.map(({ flag }) => flag.split(' ')[0] ?? '')];
}
