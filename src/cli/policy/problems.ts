import { CniError } from '../../cni/errors.ts';
import { parseEgressConf, parsePluginConf } from '../../egress/conf.ts';
import { policyNotices } from '../../egress/describe.ts';
import { findJsonProblem } from '../../egress/json-problem.ts';
import { parsePolicy } from '../../egress/parse.ts';
import type { Policy } from '../../egress/policy.ts';
import { findPlaces, type JsonPlace } from '../json-places.ts';

/** Something in a policy file that is wrong, or does not do what its author may think. */
export interface Problem {
  readonly severity: 'error' | 'notice';
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What is expected. */
  readonly hint?: string;
}

/** More than this is one mistake made many times. */
const most = 50;

/**
 * Finds every problem of a policy file, or of the policies in a network's configuration (a file with "plugins"), in
 * the order of the lines.
 */
export function findProblems(text: string): Problem[] {
  const broken = findJsonProblem(text);
  if (broken !== undefined)
    return [
      {
        severity: 'error',
        line: broken.line,
        column: broken.column,
        message: broken.problem,
        hint: 'The file is to hold one JSON object',
      },
    ];
  const places = findPlaces(text);
  const problems = policiesIn(JSON.parse(text)).flatMap((found) => problemsOf(found, places));
  return problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
}

/** An object with the keys of a policy, and what reads it. */
interface Found {
  /** Path of the object in the file. */
  readonly base: string;
  readonly raw: unknown;
  readonly parse: (raw: unknown) => Policy | undefined;
}

function policiesIn(raw: unknown): Found[] {
  const plugins = (raw as { plugins?: unknown } | null)?.plugins;
  if (!Array.isArray(plugins)) return [{ base: '', raw, parse: (value) => parsePolicy(value, '') }];
  return plugins.flatMap((plugin: unknown, index): Found[] => {
    const { type, egress } = (plugin ?? {}) as { type?: unknown; egress?: unknown };
    const base = `plugins[${index}]`;
    if (type === 'egress-policy')
      return [{ base, raw: plugin, parse: (value) => inline(parsePluginConf(value).policy) }];
    return egress === undefined
      ? []
      : [{ base: `${base}.egress`, raw: egress, parse: (value) => inline(parseEgressConf(value, '').policy) }];
  });
}

function inline(policy: Policy | { readonly named: string }): Policy | undefined {
  return 'named' in policy ? undefined : policy;
}

/** A parser stops at its first error: what is wrong is taken out, and the rest is read again. */
function problemsOf({ base, raw, parse }: Found, places: ReadonlyMap<string, JsonPlace>): Problem[] {
  const problems: Problem[] = [];
  let draft = draftOf(raw);
  while (problems.length < most) {
    try {
      const policy = parse(draft.value);
      const notices = policy === undefined || problems.length > 0 ? [] : policyNotices(policy);
      return [
        ...problems,
        ...notices.map((message): Problem => ({
          severity: 'notice',
          ...placeOf(base, keyOf(message) ?? '', places),
          message,
        })),
      ];
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      // The list that is empty now was not before its wrong entries were taken out.
      if (problems.length > 0 && error.message.endsWith('and nothing is listed')) return problems;
      const path = draft.original(/(?:^Invalid| in) "((?:[^"\\]|\\.)*)"/.exec(error.message)?.[1] ?? '');
      problems.push({
        severity: 'error',
        ...placeOf(base, path, places),
        message: error.message.replace(/"([a-zA-Z]+)\[\d+\]"/, `"${path}"`),
        ...(error.details === undefined ? {} : { hint: error.details }),
      });
      const next = draft.without(path);
      if (next === undefined) return problems;
      draft = next;
    }
  }
  return problems;
}

/** A raw policy that things are taken out of, and the paths that they have in the file. */
interface Draft {
  readonly value: unknown;
  readonly original: (path: string) => string;
  readonly without: (path: string) => Draft | undefined;
}

function draftOf(raw: unknown, removed: ReadonlySet<string> = new Set()): Draft {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return { value: raw, original: (path) => path, without: () => undefined };
  const kept = Object.entries(raw).filter(([key]) => !removed.has(key));
  const indexes = (key: string, list: readonly unknown[]): number[] =>
    [...list.keys()].filter((index) => !removed.has(`${key}[${index}]`));
  return {
    value: Object.fromEntries(
      kept.map(([key, value]) => [
        key,
        Array.isArray(value) ? indexes(key, value).map((index) => value[index] as unknown) : value,
      ]),
    ),
    original: (path) => {
      const [, key = '', index] = /^([a-zA-Z]+)\[(\d+)\]$/.exec(path) ?? [];
      const list: unknown = (raw as Record<string, unknown>)[key];
      return Array.isArray(list) ? `${key}[${indexes(key, list)[Number(index)] ?? index}]` : path;
    },
    without: (path) => {
      const top = path.split('.', 1)[0] ?? '';
      return top === '' || removed.has(top) ? undefined : draftOf(raw, new Set([...removed, top]));
    },
  };
}

/** The place of a path, or of what holds it. */
function placeOf(base: string, path: string, places: ReadonlyMap<string, JsonPlace>): Pick<Problem, 'line' | 'column'> {
  for (let rest = path; rest !== ''; rest = rest.replace(/(?:^|\.)[^.[]+$|\[\d+\]$/, '')) {
    const found = places.get(base === '' ? rest : `${base}.${rest}`);
    if (found !== undefined) return { line: found.line, column: found.column };
  }
  const { line, column } = places.get(base) ?? { line: 1, column: 1 };
  return { line, column };
}

/** The key that a notice is about: its first words are an entry with its key, or a key in quotes. */
function keyOf(notice: string): string | undefined {
  return /^"([a-zA-Z]+)"|^([a-zA-Z]+) "/
    .exec(notice)
    ?.slice(1)
    .find((key) => key !== undefined);
}
