import type { Command, Invocation, Option } from './command.ts';
import { commands } from './commands.ts';
import { policyNames } from '../egress/load-policy.ts';
import { listRecords } from '../records/store.ts';
import { shortId } from './survey/words.ts';
import type { Terminal } from './terminal.ts';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** Prints what makes a shell complete our commands. */
export async function run({ operands: [shell = ''] }: Invocation, { out }: Terminal): Promise<number> {
  out(scripts[shell as keyof typeof scripts]());
  return 0;
}

/** Prints words that a shell may offer: `complete containers`, `complete policies`. Never fails: a shell would print the error into the line. */
export async function offer({ operands: [kind = ''] }: Invocation, { out }: Terminal): Promise<number> {
  try {
    const words =
      kind === 'policies' ? await policyNames() : listRecords().records.map(({ containerId }) => shortId(containerId));
    for (const word of new Set(words)) out(word);
  } catch {
    // Not root, or nothing there: nothing to offer.
  }
  return 0;
}

function visible(): Command[] {
  return commands.filter(({ hidden }) => hidden !== true);
}

/** First words, and the second ones of those that have some. */
function groups(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { name } of visible()) {
    const [first = '', second] = name.split(' ');
    found.set(first, [...(found.get(first) ?? []), ...(second === undefined ? [] : [second])]);
  }
  return found;
}

function flags({ options = [] }: Command): string[] {
  return ['--help', ...options.map(({ flag }) => flag.split(' ')[0] ?? '')];
}

/** Shell words that list what an option or operand takes. */
function sourceOf(kind: Option['completes']): string {
  if (kind === 'containers' || kind === 'policies') return `$(drawbridge complete ${kind} 2>/dev/null)`;
  return '';
}

function bashScript(): string {
  const firsts = [...groups().keys()].join(' ');
  const cases = [...groups()]
    .filter(([, seconds]) => seconds.length > 0)
    .map(
      ([first, seconds]) =>
        `    ${first}) if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "${seconds.join(' ')}" -- "$cur")); return; fi; command="$command \${COMP_WORDS[2]}" ;;`,
    );
  const values = visible().flatMap((command) =>
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
        : [`    "${command.name} ${name}") COMPREPLY=($(compgen -W "${sourceOf(completes)}" -- "$cur")); return ;;`];
    }),
  );
  const operands = visible().map((command) => {
    const kind = command.operands?.[0]?.completes;
    const words = `-W "${flags(command).join(' ')} ${sourceOf(kind)}"`;
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

function zshScript(): string {
  return `#compdef drawbridge
# zsh completion of drawbridge: drawbridge completion zsh > "\${fpath[1]}/_drawbridge"
autoload -U +X bashcompinit && bashcompinit
${bashScript()}`;
}

function fishScript(): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = visible().flatMap((command) => {
    const [first = '', second] = command.name.split(' ');
    const at = second === undefined ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${first}`;
    const seen = `__fish_seen_subcommand_from ${second ?? first}`;
    const kind = command.operands?.[0]?.completes;
    return [
      `complete -c drawbridge -n ${quoted(at)} -f -a ${quoted(second ?? first)} -d ${quoted(command.summary)}`,
      ...(kind === 'containers' || kind === 'policies'
        ? [`complete -c drawbridge -n ${quoted(seen)} -f -a ${quoted(`(drawbridge complete ${kind} 2>/dev/null)`)}`]
        : []),
      ...(kind === 'files' ? [`complete -c drawbridge -n ${quoted(seen)} -F`] : []),
      ...(command.options ?? []).map(({ flag, about, values }) => {
        const [name = '', value] = flag.split(' ');
        return `complete -c drawbridge -n ${quoted(seen)} -l ${name.slice(2)}${value === undefined ? '' : ' -r'}${values === undefined ? '' : ` -f -a ${quoted(values.join(' '))}`} -d ${quoted(about)}`;
      }),
    ];
  });
  const firsts = [...groups()]
    .filter(([, seconds]) => seconds.length > 0)
    .map(([first]) => `complete -c drawbridge -n '__fish_use_subcommand' -f -a ${quoted(first)}`);
  return [
    '# fish completion of drawbridge: drawbridge completion fish > ~/.config/fish/completions/drawbridge.fish',
    ...firsts,
    ...lines,
  ].join('\n');
}
