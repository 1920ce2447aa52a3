import { CniError, codes } from './errors.ts';
import { quote } from './fields.ts';
import type { SpecVersion } from './versions.ts';

/** The verbs of the specification. VERSION is answered before a request is made of the input. */
export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** A verb that a request is made of. */
export type ServedVerb = Exclude<Verb, 'VERSION'>;

export type Environment = Readonly<Record<string, string | undefined>>;

interface Requirement {
  /** Variables that must not be empty. */
  readonly variables: readonly string[];
  /** Oldest version of a configuration that may be given this verb; absent: any. */
  readonly since?: SpecVersion;
}

/**
 * SPEC.md 1.1.0, section 2, "CNI operations": what each verb requires, and since which version it exists. CNI_PATH is
 * asked for where something is delegated: by `findPlugin` in delegate.ts.
 */
export const requirements: Record<ServedVerb, Requirement> = {
  ADD: { variables: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'] },
  DEL: { variables: ['CNI_CONTAINERID', 'CNI_IFNAME'] },
  CHECK: { variables: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'], since: '0.4.0' },
  GC: { variables: [], since: '1.1.0' },
  STATUS: { variables: [], since: '1.1.0' },
};

/** Reads CNI_COMMAND. Throws code 4 for what is no verb. */
export function parseVerb(env: Environment): ServedVerb {
  const command = env['CNI_COMMAND'] ?? '';
  if (command === '') throw missing(['CNI_COMMAND']);
  if (!Object.hasOwn(requirements, command)) {
    throw new CniError(
      codes.invalidEnvironment,
      `unknown CNI_COMMAND: ${command}`,
      `The commands are ${Object.keys(requirements).join(', ')} and VERSION`,
    );
  }
  return command as ServedVerb;
}

/** Throws code 4 naming every variable that the verb needs and that is not set. */
export function requireVariables(env: Environment, verb: ServedVerb): void {
  const absent = requirements[verb].variables.filter((name) => (env[name] ?? '') === '');
  if (absent.length > 0) throw missing(absent);
}

/** The error for variables that are needed and not set, in the reference's words. */
export function missing(variables: readonly string[]): CniError {
  return new CniError(codes.invalidEnvironment, `required env variables [${variables.join(',')}] missing`);
}

/**
 * A letter or digit first: so "", ".", ".." and anything with a "/" never become a part of a path (the reference's
 * pkg/utils).
 */
export const safeName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** In words, for error texts. */
export const safeNameRule = 'Letters, digits, "_", "." and "-" are allowed, a letter or digit first';

/** Reads CNI_CONTAINERID. Throws code 4. */
export function parseContainerId(env: Environment): string {
  const id = env['CNI_CONTAINERID'] ?? '';
  if (!safeName.test(id))
    throw new CniError(
      codes.invalidEnvironment,
      `Invalid "CNI_CONTAINERID": invalid characters in containerID ${quote(id)}`,
      safeNameRule,
    );
  return id;
}

/**
 * The rules of the kernel's dev_valid_name(), as the reference applies them, and a few characters more: the
 * kernel takes "%" for a template, and quotes, a backslash or "#" change how `ip -batch` reads its line.
 */
export function parseIfname(env: Environment): string {
  const name = env['CNI_IFNAME'] ?? '';
  const problem = ifnameProblem(name);
  if (problem !== undefined)
    throw new CniError(
      codes.invalidEnvironment,
      `Invalid "CNI_IFNAME": ${problem}: ${quote(name)}`,
      'A name has 1 to 15 bytes, and none of / : % " \' \\ # and white space',
    );
  return name;
}

function ifnameProblem(name: string): string | undefined {
  if (Buffer.byteLength(name) > 15) return 'interface name is too long';
  if (name === '.' || name === '..') return 'interface name is . or ..';
  if (/[/:\s\u0085]/u.test(name)) return 'interface name contains / or : or whitespace characters';
  if (/[%"'\\#\p{Cc}]/u.test(name)) return 'interface name contains a character with a meaning of its own';
  return undefined;
}
