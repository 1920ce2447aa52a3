import { isMissing, listFolder } from '../host/files.ts';
import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { NotReadableError, readRegularFile } from './load-file.ts';
import { chosenPolicy, type Choices, type EgressConf } from './conf.ts';
import { loadOwnPresets } from './load-presets.ts';
import type { OnLinkNetwork } from './on-link.ts';
import { parsePolicy } from './parse.ts';
import type { Policy } from './policy.ts';
import { findPolicyFile } from './load-policy-file.ts';
import { decodePolicy, type PolicyFormat } from './policy-source.ts';
import { systemReason } from '../text/system-error.ts';

/*
 * On disk: /etc/drawbridge/policies/NAME.json or NAME.yaml, one object with the keys of a policy each; JSON may have
 * comments. Written by operators, read by us.
 */

/** Where named policies are kept. */
export const policiesFolder = '/etc/drawbridge/policies';

/** Longest policy in bytes: some twenty thousand entries. */
export const longestPolicy = 1 << 20;

export interface ChosenPolicy {
  readonly policy: Policy;
  /** Set when it was read from a file. */
  readonly policyName?: string;
}

export interface LoadOptions {
  /** Networks that the host is on (on-link.ts). */
  readonly onLink?: readonly OnLinkNetwork[];
  /** With the named policies. */
  readonly folder?: string;
}

/**
 * The policy that holds for a container: the one that it chose among the selectable ones, or else the
 * network's own.
 *
 * Throws {@link CniError} with code 7 for a choice that is not selectable, and for a policy that is missing
 * or invalid.
 */
export async function policyFor(conf: EgressConf, choices: Choices, options: LoadOptions = {}): Promise<ChosenPolicy> {
  const name = chosenPolicy(conf, choices) ?? ('named' in conf.policy ? conf.policy.named : undefined);
  if (name !== undefined) return { policy: await loadPolicy(name, options), policyName: name };
  if ('named' in conf.policy) throw new RangeError('A named policy has a name');
  return { policy: conf.policy };
}

/** Reads a named policy. Throws {@link CniError}: code 7 when it is missing or invalid, 5 when it cannot be read. */
export async function loadPolicy(
  name: string,
  { folder = policiesFolder, onLink = [] }: LoadOptions = {},
): Promise<Policy> {
  const found = findPolicyFile(name, folder) ?? { file: `${folder}/${name}.json`, format: 'json' };
  const text = await readPolicyFile(name, found.file, folder);
  return parsePolicyText(text, { what: `policy ${quote(name)} (${found.file})`, format: found.format, onLink });
}

export interface PolicyText {
  /** How errors name it. */
  readonly what: string;
  readonly format: PolicyFormat;
  readonly onLink?: readonly OnLinkNetwork[];
}

/** Reads a policy from the text of a file. Throws {@link CniError} with code 7. */
export async function parsePolicyText(text: string, { what, format, onLink = [] }: PolicyText): Promise<Policy> {
  const decoded = await decodePolicy(text, format);
  if ('problem' in decoded) {
    const { line, column, problem } = decoded.problem;
    throw new CniError(
      codes.invalidConfig,
      `Cannot use ${what}: line ${line}, column ${column}: ${problem}`,
      `The file is to hold one ${format === 'yaml' ? 'YAML' : 'JSON'} object with the keys of a policy`,
    );
  }
  try {
    return parsePolicy(decoded.raw, '', loadOwnPresets(), onLink);
  } catch (error) {
    if (error instanceof CniError)
      throw new CniError(error.code, `Cannot use ${what}: ${error.message}`, error.details, { cause: error });
    throw error;
  }
}

/** Names of the policies in the folder, sorted; none when there is no folder. */
export async function policyNames(folder = policiesFolder): Promise<string[]> {
  const names = listFolder(folder)
    .filter((file) => /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}\.(?:json|yaml)$/.test(file))
    .map((file) => file.slice(0, -'.json'.length));
  return [...new Set(names)].toSorted();
}

async function readPolicyFile(name: string, file: string, folder: string): Promise<string> {
  try {
    return readRegularFile(file, longestPolicy);
  } catch (error) {
    if (error instanceof NotReadableError)
      throw new CniError(
        codes.invalidConfig,
        `Cannot use policy ${quote(name)}: ${file}: ${error.message}`,
        'A policy is a file of its own; prefixes in place of single addresses make it shorter',
      );
    if (!isMissing(error))
      throw new CniError(codes.ioFailure, `Cannot read policy ${quote(name)}: ${systemReason(error)}`, undefined, {
        cause: error,
      });
    const names = await policyNames(folder);
    throw new CniError(
      codes.invalidConfig,
      `Cannot find policy ${quote(name)}: there is no ${file}`,
      names.length === 0 ? `There are no policies in ${folder}` : `There are ${names.map(quote).join(', ')}`,
    );
  }
}
