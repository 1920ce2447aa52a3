import { existsSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { checkPolicyName } from './conf.ts';
import { findJsonProblem, type JsonProblem } from '../text/json-problem.ts';

/** What a policy is written in: JSON that may have comments, or YAML. */
export type PolicyFormat = 'json' | 'yaml';

export const policyFormats: readonly PolicyFormat[] = ['json', 'yaml'];

/** By the ending of a file's name; JSON where it tells nothing. */
export function formatOfFile(file: string): PolicyFormat {
  return /\.ya?ml$/i.test(file) ? 'yaml' : 'json';
}

export interface PolicyFile {
  readonly file: string;
  readonly format: PolicyFormat;
}

/** The file of a named policy; undefined where there is none. Throws code 7 where there are two of one name. */
export function findPolicyFile(name: string, folder: string): PolicyFile | undefined {
  checkPolicyName(name, 'policy');
  const found = policyFormats
    .map((format) => ({ file: `${folder}/${name}.${format}`, format }))
    .filter(({ file }) => existsSync(file));
  if (found.length < 2) return found[0];
  throw new CniError(
    codes.invalidConfig,
    `Cannot tell which policy ${quote(name)} is: there are ${found.map(({ file }) => quote(file)).join(' and ')}`,
    'Remove one of them',
  );
}

/** What the text of a policy says, or the first place at which it cannot be read. */
export async function decodePolicy(
  text: string,
  format: PolicyFormat,
): Promise<{ readonly raw: unknown } | { readonly problem: JsonProblem }> {
  if (format === 'yaml') {
    // It is large, and most policies do without: an ADD loads it for a file of YAML alone.
    const { readYaml } = await import('../text/yaml.ts');
    const read = readYaml(text);
    return 'problem' in read ? { problem: read } : { raw: withoutSchema(read.value) };
  }
  const plain = await withoutJsonComments(text);
  const problem = findJsonProblem(plain);
  return problem === undefined ? { raw: withoutSchema(JSON.parse(plain)) } : { problem };
}

/** The text itself where it has no comments; else with spaces in their place. */
export async function withoutJsonComments(text: string): Promise<string> {
  if (!/\/[/*]/.test(text) || findJsonProblem(text) === undefined) return text;
  const { withoutComments } = await import('../text/jsonc.ts');
  return withoutComments(text);
}

/** "$schema" is for editors: it names what they complete keys by. */
function withoutSchema(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
  return Object.fromEntries(
    Object.entries(raw).filter(([key, value]) => key !== '$schema' || typeof value !== 'string'),
  );
}
