import { flagWords, UsageError, type Command, type Invocation } from './command.ts';
import { usageLine } from './parse.ts';
import type { Terminal } from './terminal.ts';

/** Prints a man page in roff: of the program, or of one command. */
export async function run({ operands, version, commands }: Invocation, { out }: Terminal): Promise<number> {
  const asked = operands.join(' ');
  const command = commands.find(({ name }) => name === asked);
  if (asked !== '' && command === undefined) throw new UsageError(`There is no command "${asked}"`);
  out(command === undefined ? programPage(commands, version) : commandPage(command, version));
  return 0;
}

/** The page of the program, which names those of its commands. */
export function programPage(commands: readonly Command[], version: string): string {
  const visible = commands.filter(({ hidden }) => hidden !== true);
  return [
    header('drawbridge', version),
    section('NAME', ['drawbridge \\- lets containers out over a bridge and decides how far']),
    section('SYNOPSIS', ['.B drawbridge', '.I COMMAND', '[\\fIOPTIONS\\fR]']),
    section('DESCRIPTION', [
      roff(
        'A container runtime calls it as a CNI plugin, with CNI_COMMAND. Called by hand, it shows, explains, mends and removes what the plugin made.',
      ),
    ]),
    section(
      'COMMANDS',
      visible.flatMap(({ name, summary }) => ['.TP', `.BR drawbridge\\-${dashed(name)} (8)`, roff(`${summary}.`)]),
    ),
    section('EXIT STATUS', [
      '.TP',
      '0',
      'Yes.',
      '.TP',
      '1',
      'No, or failed.',
      '.TP',
      '2',
      'What was typed cannot be understood.',
    ]),
    section('FILES', [
      '.TP',
      '.I /run/drawbridge',
      'What was made for each attachment; gone after a reboot.',
      '.TP',
      '.I /var/lib/drawbridge',
      'Names with their last good addresses.',
      '.TP',
      '.I /etc/drawbridge/policies',
      'Named policies.',
      '.TP',
      '.I /var/lib/cni/networks',
      'Leases.',
    ]),
    section('ENVIRONMENT', [
      '.TP',
      '.B NO_COLOR',
      'No colours, also on a terminal.',
      '.TP',
      '.B DRAWBRIDGE_VERBOSE',
      'With 1, it prints every program that it runs.',
    ]),
  ].join('\n');
}

/** The page of one command. */
export function commandPage(command: Command, version: string): string {
  const { name, summary, about = [], operands = [], options = [], examples } = command;
  const terms = [
    ...operands.map((operand) => [operand.name, operand.about] as const),
    ...options.map((option) => {
      const { about: text, values } = option;
      return [flagWords(option), values === undefined ? text : `${text} (${values.join(', ')})`] as const;
    }),
  ];
  return [
    header(`drawbridge-${dashed(name)}`, version),
    section('NAME', [
      `drawbridge\\-${roff(dashed(name))} \\- ${roff(summary.charAt(0).toLowerCase() + summary.slice(1))}`,
    ]),
    section('SYNOPSIS', [roff(usageLine(command))]),
    ...(about.length === 0
      ? []
      : [
          section(
            'DESCRIPTION',
            about.flatMap((paragraph, index) => [...(index === 0 ? [] : ['.PP']), roff(paragraph)]),
          ),
        ]),
    ...(terms.length === 0
      ? []
      : [
          section(
            'OPTIONS',
            terms.flatMap(([term, text]) => ['.TP', `.B ${roff(term)}`, roff(`${text}.`)]),
          ),
        ]),
    section(
      'EXAMPLES',
      examples.flatMap(({ line, about: text }) => [
        '.TP',
        `.B ${roff(line)}`,
        roff(`${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('?') ? '' : '.'}`),
      ]),
    ),
    section('SEE ALSO', ['.BR drawbridge (8)']),
  ].join('\n');
}

function header(title: string, version: string): string {
  return `.TH ${title.toUpperCase().replaceAll('-', '\\-')} 8 "" "drawbridge ${version}" "Container networks"`;
}

function section(title: string, lines: readonly string[]): string {
  return [`.SH ${title}`, ...lines].join('\n');
}

function dashed(name: string): string {
  return name.replaceAll(' ', '-');
}

/** A line that begins with a dot or a quote would be a request, and a bare dash a hyphen that nobody can paste. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}
