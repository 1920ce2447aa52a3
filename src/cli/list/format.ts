import { UsageError, valueOf, type Invocation } from '../command.ts';
import { printJson, type Terminal } from '../terminal.ts';

/** How a list is written: for a person, or for a program; "name" is one name a line. */
export type ListFormat = 'table' | 'wide' | 'json' | 'yaml' | 'name';

/** Options that mean a format, from before `--format` was there. */
const flags = { wide: 'wide', json: 'json', names: 'name' } as const;

/**
 * The format that is asked for; a command with forms of its own names them in `Own`. Throws {@link UsageError} for two
 * that differ.
 */
export function formatOf<Own extends string = never>(invocation: Invocation): ListFormat | Own {
  const given = [
    valueOf(invocation, 'format'),
    ...Object.entries(flags).map(([flag, format]) => (invocation.options[flag] === true ? format : undefined)),
  ].filter((format) => format !== undefined);
  const [first = 'table', ...others] = [...new Set(given)];
  if (others.length > 0) throw new UsageError(`Cannot print "${first}" and "${others.join('" and "')}" at once`);
  return first as ListFormat | Own;
}

/** Prints a value as JSON or YAML. */
export async function printValue(terminal: Terminal, value: unknown, format: 'json' | 'yaml'): Promise<void> {
  if (format === 'json') return printJson(terminal, value);
  const { stringify } = await import('yaml');
  // Two values that are one object are two to a reader: no anchors.
  terminal.out(stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 }).trimEnd());
}
