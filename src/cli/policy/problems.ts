import { CniError, PlaceError, UnknownKeyError } from '../../cni/errors.ts';
import { policyNotices } from '../../egress/describe.ts';
import { parsePolicy } from '../../egress/parse.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import { decodePolicy, withoutJsonComments, type PolicyFormat } from '../../egress/policy-source.ts';
import { findJsonProblem, type JsonProblem } from '../../text/json-problem.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import { findPlaces, type JsonPlace, type TextPlace } from '../../text/json-places.ts';
import { draftOf } from './draft.ts';
import { isNetworkConf, partsOfNetwork, type CheckedPart } from './network-conf.ts';

/** Something in a policy file that is wrong, or does not do what its author may think. */
export interface Problem extends TextPlace {
  readonly severity: 'error' | 'notice';
  readonly message: string;
  /** What is expected. */
  readonly hint?: string;
}

/** More than this is one mistake made many times. */
const most = 50;

/**
 * Finds every problem of a policy file, or of a network's configuration, in the order of the lines. What plugins of
 * ours read of a configuration is read as their ADD does.
 */
export async function findProblems(text: string, format: PolicyFormat): Promise<Problem[]> {
  const read = await readWithPlaces(text, format);
  if ('problem' in read) {
    const { line, column, problem } = read.problem;
    const hint = `The file is to hold one ${format === 'yaml' ? 'YAML' : 'JSON'} object`;
    return [{ severity: 'error', line, column, message: problem, hint }];
  }
  const { raw, places } = read;
  const parts = isNetworkConf(raw)
    ? partsOfNetwork(raw)
    : [{ base: '', raw, read: (value: unknown) => readPolicyOf(value) }];
  const problems: Problem[] = [];
  for (const part of parts) problems.push(...(await problemsOf(part, places)));
  return problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
}

type ReadText =
  | { readonly raw: unknown; readonly places: ReadonlyMap<string, JsonPlace> }
  | { readonly problem: JsonProblem };

/** Comments and YAML are for policies: a network's list is read by runtimes first, which take neither. */
async function readWithPlaces(text: string, format: PolicyFormat): Promise<ReadText> {
  const decoded = await decodePolicy(text, format);
  if ('problem' in decoded) return decoded;
  const { raw } = decoded;
  if (format === 'yaml') {
    const { readYaml } = await import('../../text/yaml.ts');
    const read = readYaml(text);
    if ('problem' in read) return { problem: read };
    if (!isNetworkConf(raw)) return { raw, places: read.places };
    return { problem: { line: 1, column: 1, problem: "a network's list is JSON to all runtimes, and this is YAML" } };
  }
  const problem = isNetworkConf(raw) ? findJsonProblem(text) : undefined;
  return problem === undefined ? { raw, places: findPlaces(await withoutJsonComments(text)) } : { problem };
}

/** Read as an ADD on this host reads it. */
function readPolicyOf(value: unknown): readonly string[] {
  const onLink = hostNetworks();
  return policyNotices(parsePolicy(value, '', loadOwnPresets(), onLink), onLink);
}

/** A parser stops at its first error: what is wrong is taken out, and the rest is read again. */
async function problemsOf(
  { base, raw, isWhole = false, read }: CheckedPart,
  places: ReadonlyMap<string, JsonPlace>,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  let draft = draftOf(raw);
  while (problems.length < most) {
    try {
      const notices = await read(draft.value);
      if (problems.length > 0) return problems;
      return notices.map((message): Problem => {
        const place = placeOf(base, keyOf(message) ?? '', places);
        return { severity: 'notice', line: place.line, column: place.column, message };
      });
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      // The list that is empty now was not before its wrong entries were taken out.
      if (problems.length > 0 && error.message.endsWith('and nothing is listed')) return problems;
      const isKey = error instanceof UnknownKeyError;
      const path = draft.original(error instanceof PlaceError ? error.path : '');
      const next = draft.without(path);
      // What was taken out for being wrong is missing now.
      if (next === undefined && problems.length > 0 && path !== '') return problems;
      const place = placeOf(base, path, places);
      problems.push({
        severity: 'error',
        line: isKey ? place.line : place.valueAt.line,
        column: isKey ? place.column : place.valueAt.column,
        message: error.message.replace(/"([a-zA-Z]+)\[\d+\]"/, `"${path}"`),
        ...(error.details === undefined ? {} : { hint: error.details }),
      });
      if (next === undefined || isWhole) return problems;
      draft = next;
    }
  }
  return problems;
}

/** The place of a path, or of what holds it. */
function placeOf(base: string, path: string, places: ReadonlyMap<string, JsonPlace>): Omit<JsonPlace, 'value'> {
  for (let rest = path; rest !== ''; rest = rest.replace(/(?:^|\.)[^.[]+$|\[\d+\]$/, '')) {
    const found = places.get(base === '' ? rest : `${base}.${rest}`);
    if (found !== undefined) return found;
  }
  return places.get(base) ?? { line: 1, column: 1, valueAt: { line: 1, column: 1 } };
}

/** The key that a notice is about: its first words are an entry with its key, or a key in quotes. */
function keyOf(notice: string): string | undefined {
  return /^"([a-zA-Z]+)"|^([a-zA-Z]+) "/
    .exec(notice)
    ?.slice(1)
    .find((key) => key !== undefined);
}
