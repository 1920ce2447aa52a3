import { Argument, Command as Parser, CommanderError, Option as ParserOption } from 'commander';
import { flagWords, optionName, UsageError, type Command, type Invocation } from './command.ts';

/** Reads the words after a command's name. Throws {@link UsageError} for what the command does not take. */
export function parseWords(
  command: Command,
  words: readonly string[],
): Pick<Invocation, 'operands' | 'options' | 'lists'> {
  const parser = new Parser(command.name)
    .exitOverride()
    .helpOption(false)
    .configureOutput({ writeErr: () => {}, outputError: () => {} });
  for (const option of command.options ?? []) {
    const [flag = '', value] = option.flag.split(' ');
    const words = option.short === undefined ? flag : `${option.short}, ${flag}`;
    const rule = new ParserOption(value === undefined ? words : `${words} <${value}>`, option.about);
    if (option.repeats === true)
      rule.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
    if (option.values !== undefined) rule.choices([...option.values]);
    parser.addOption(rule);
  }
  for (const { name, about, required, values } of command.operands ?? []) {
    const rule = new Argument(required ? `<${name}>` : `[${name}]`, about);
    parser.addArgument(values === undefined ? rule : rule.choices([...values]));
  }
  try {
    parser.parse([...words], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw usage(command, error.message);
    throw error;
  }
  const given = parser.opts<Record<string, string | boolean | readonly string[]>>();
  const lists = new Map<string, readonly string[]>();
  const options = (command.options ?? []).flatMap((option) => {
    const name = optionName(option);
    // To commander "--no-policy" is "policy" without a value.
    const isNegated = name.startsWith('no-');
    const value =
      given[(isNegated ? name.slice(3) : name).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (isNegated) return value === false ? [[name, true] as const] : [];
    if (typeof value === 'object') lists.set(name, value);
    return value === undefined || value === false || typeof value === 'object' ? [] : [[name, value] as const];
  });
  return { operands: parser.args, options: Object.fromEntries(options), lists: Object.fromEntries(lists) };
}

/** How a command is written: "explain CONTAINER DESTINATION [--json]". */
export function usageLine({ name, operands = [], options = [] }: Command): string {
  const words = [
    ...operands.map((operand) => (operand.required ? operand.name : `[${operand.name}]`)),
    ...options.map((option) => `[${flagWords(option)}]${option.repeats === true ? '...' : ''}`),
  ];
  return [`drawbridge ${name}`, ...words].join(' ');
}

/** commander's words are "error: unknown option '--jsn'\n(Did you mean --json?)". */
function usage(command: Command, message: string): UsageError {
  const [what = '', hint] = message.replace(/^error: /, '').split('\n');
  const text = [what.replace(/\.$/, ''), hint].filter((part) => part !== undefined).join(' ');
  return new UsageError(
    `Cannot run "drawbridge ${command.name}": ${text.replaceAll("'", '"')}\nUsage: ${usageLine(command)}`,
    command.name,
  );
}
