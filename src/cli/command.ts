import type { Terminal } from './terminal.ts';

/**
 * One command of the operator's command line: what parses its words, prints its help and its man page, and
 * completes it in a shell is all read from here.
 */
export interface Command {
  /** The words that name it: "list", "policy check". */
  readonly name: string;
  /** One line, without a period. */
  readonly summary: string;
  /** Paragraphs of its help, each without line breaks. */
  readonly about?: readonly string[];
  readonly operands?: readonly Operand[];
  readonly options?: readonly Option[];
  readonly examples: readonly Example[];
  /** Whether it reads or changes what only root may. */
  readonly needsRoot: boolean;
  /** Its exit status is an answer, yes or no; then one that fails could not tell, which is neither. */
  readonly isQuestion?: true;
  /** Not shown in lists of commands. */
  readonly hidden?: boolean;
  /** Loads what carries it out; the others are not paid for. */
  readonly load: () => Promise<{ readonly run: Run }>;
}

export interface Operand {
  /** "CONTAINER", or "WORD..." for any number, the last one only. */
  readonly name: string;
  readonly about: string;
  readonly required: boolean;
  /** The only values that it takes. */
  readonly values?: readonly string[];
  /** What a shell offers in its place. */
  readonly completes?: 'containers' | 'policies' | 'files';
}

export interface Option {
  /** It may be given more than once: see `lists` of {@link Invocation}. */
  readonly repeats?: true;
  /** "--json", or "--format FORMAT" with a value. */
  readonly flag: string;
  /** One letter that means the same: "-o". */
  readonly short?: string;
  readonly about: string;
  /** The only values that it takes. */
  readonly values?: readonly string[];
  readonly completes?: 'containers' | 'policies' | 'files' | 'folders';
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

/** What was asked for, after parsing. */
export interface Invocation {
  readonly operands: readonly string[];
  /** By name without dashes: true for a flag, the text for one with a value. */
  readonly options: Readonly<Record<string, string | true>>;
  /** Values of options that may be given more than once, by name without dashes. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly version: string;
  /** Every command, for those that tell of the others. */
  readonly commands: readonly Command[];
}

/**
 * Carries a command out and returns the exit status: 0 yes, 1 no or failed, 3 could not tell. Throws CniError, or
 * {@link UsageError}.
 */
export type Run = (invocation: Invocation, terminal: Terminal) => Promise<number>;

/** Exit status of a command that was asked something and could not tell. */
export const unknown = 3;

/** What was typed cannot be understood: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** The command whose help says more. */
  readonly command: string | undefined;

  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}

/** Name of an option without dashes and value: "bin-dir" of "--bin-dir DIR". */
export function optionName({ flag }: Option): string {
  return flag.split(' ')[0]?.replace(/^--/, '') ?? '';
}

/** An option as help shows it: "-o, --format FORMAT". */
export function flagWords({ flag, short }: Option): string {
  return short === undefined ? flag : `${short}, ${flag}`;
}

/** The value of an option; undefined when it was not given. */
export function valueOf({ options }: Invocation, name: string): string | undefined {
  const value = options[name];
  return value === true ? undefined : value;
}
