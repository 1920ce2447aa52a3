import { flagWords, type Command } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands.ts';
import { exitStatusWords } from '../src/cli/help.ts';
import { usageLine } from '../src/cli/parse.ts';

/** The page docs/command-line.md in Markdown: every command that help shows, as its help says it. */
export function commandLinePage(): string {
  const visible = commands.filter(({ hidden }) => hidden !== true);
  return [
    '# Command line',
    '<!-- written by "npm run docs" from src/cli/commands -->',
    'Called by hand, `drawbridge` shows, explains, mends and removes what the plugins made.',
    ['| command | |', '|---|---|', ...visible.map(indexRow)].join('\n'),
    'Commands that answer a question print JSON with `--json` (schemas in `conf/schema`). `--help` prints what stands here, `drawbridge man COMMAND` the man page.',
    `${exitStatusWords} \`NO_COLOR\` turns colours off. \`DRAWBRIDGE_VERBOSE=1\` prints every program that is run.`,
    ...visible.map(sectionOf),
  ]
    .join('\n\n')
    .concat('\n');
}

function indexRow({ name, summary }: Command): string {
  return `| [\`${name}\`](#drawbridge-${name.replaceAll(' ', '-')}) | ${escaped(summary)} |`;
}

function sectionOf(command: Command): string {
  const { name, summary, about = [], operands = [], options = [], examples, needsRoot } = command;
  const terms = [
    ...operands.map((operand) => ({ term: operand.name, ...operand })),
    ...options.map((option) => ({ term: flagWords(option), ...option })),
  ];
  return [
    `## drawbridge ${name}`,
    `${escaped(summary)}.${needsRoot ? ' Needs root.' : ''}`,
    `\`\`\`\n${usageLine(command)}\n\`\`\``,
    ...about.map(escaped),
    ...(terms.length === 0 ? [] : [['| argument or option | |', '|---|---|', ...terms.map(termRow)].join('\n')]),
    ['```console', ...examples.flatMap(({ line, about: text }) => [`# ${line}        # ${text}`]), '```'].join('\n'),
  ].join('\n\n');
}

function termRow({ term, about, values }: { term: string; about: string; values?: readonly string[] }): string {
  const text = values === undefined ? about : `${about} (${values.join(', ')})`;
  return `| \`${term.replaceAll('|', '\\|')}\` | ${escaped(text)} |`;
}

/** Text that Markdown would take for emphasis, HTML or the border of a cell. */
function escaped(text: string): string {
  return text.replaceAll(/[*_<>|]/g, (character) => `\\${character}`);
}
