import { findJsonProblem, type JsonProblem } from '../text/json-problem.ts';

/** What a policy is written in: JSON that may have comments, or YAML. */
export type PolicyFormat = 'json' | 'yaml';

export const policyFormats: readonly PolicyFormat[] = ['json', 'yaml'];

/** By the ending of a file's name; JSON where it tells nothing. */
export function formatOfFile(file: string): PolicyFormat {
  return /\.ya?ml$/i.test(file) ? 'yaml' : 'json';
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
