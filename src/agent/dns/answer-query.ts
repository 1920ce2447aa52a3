import { lifetime, type Answer as SeenAnswer } from '../../egress/names-lifetimes.ts';
import type { NameRule } from '../../egress/policy.ts';
import type { Element } from '../../nft/element.ts';
import { openedElement } from '../names/opened-element.ts';
import type { Asker } from '../names/claims.ts';
import type { AliasTargets } from './alias-targets.ts';
import { answerNeighbour, judgeAliases, judgeQuery, type QueryVerdict } from './judge-query.ts';
import type { LookupResult, Lookup } from './lookup.ts';
import type { OpenAnswers } from './open-answers.ts';
import type { NamesPolicy } from './names-policy.ts';
import type { Rates } from './rates.ts';
import type { Query } from './read-query.ts';
import { extendedErrors, rcodes, typeName } from './record-types.ts';
import { release, type Release } from './release.ts';
import { writeAnswer, type Answer } from './write-message.ts';

export interface QueryContext {
  /** Address that the query came from; undefined when no attachment has it. */
  readonly source: string;
  readonly policy: NamesPolicy | undefined;
  /** Most bytes of the answer. */
  readonly limit: number;
}

export interface AnswerOptions {
  readonly lookup: Lookup;
  /** Names that containers were led to by others. */
  readonly aliases: AliasTargets;
  /** Answers whose addresses containers have opened just now. */
  readonly openAnswers: OpenAnswers;
  /** What containers ask upstream under wildcards. */
  readonly rates: Rates;
  /** Puts elements into the kernel; settles when they are there, and rejects when that is not certain. */
  readonly open: (elements: readonly Element[], asker: Asker) => Promise<void>;
  /** Addresses of whoever has a name in the network of the container that has a source address (network-names.ts). */
  readonly neighbours: (source: string, name: string) => readonly string[] | undefined;
  /** Waits until the container may cost so many queries more; false when the answer is not worth it. */
  readonly pace: (queries: number) => Promise<boolean>;
  /** Milliseconds that `open` has. */
  readonly openDeadline: number;
  readonly report?: (report: QueryReport) => void;
}

/** One query and what became of it, for logs, metrics and whoever remembers names. */
export interface QueryReport {
  readonly source: string;
  readonly policyId: string | undefined;
  readonly name: string;
  readonly type: string;
  /** "limited": more than the container may ask for under its wildcard. */
  readonly verdict: 'denied' | 'limited' | 'answered' | 'failed';
  readonly rcode: number;
  /** Why it was denied, would have been if the policy did not only audit, or failed. */
  readonly why?: string;
  readonly from?: LookupResult['from'];
  readonly upstream: readonly string[];
  /** What was opened. */
  readonly addresses: readonly SeenAnswer[];
  readonly stripped: readonly string[];
  /** Milliseconds until the answer was ready, and of them those that opening took. */
  readonly took: number;
  readonly openTook: number;
}

/**
 * The answer to a query: judged, looked up, cut down to what may be told, and its addresses opened before it
 * is returned. An address that cannot be opened is not told: the answer is then SERVFAIL, upon which clients
 * ask again.
 *
 * Never throws. Every answer waits for a commit of its own that holds its addresses, so that of two parallel
 * queries for one name none is answered on the strength of the other's unfinished commit; and one out of the
 * cache opens again what has expired, or was flushed, since.
 */
export async function answerQuery(query: Query, asking: QueryContext, options: AnswerOptions): Promise<Buffer> {
  const started = performance.now();
  const done = await answer(query, asking, options);
  options.report?.({
    source: asking.source,
    policyId: asking.policy?.policyId,
    name: query.name,
    type: typeName(query.type),
    rcode: done.answer.rcode,
    upstream: asking.policy?.upstream ?? [],
    addresses: [],
    stripped: [],
    openTook: 0,
    ...done.told,
    took: performance.now() - started,
  });
  return writeAnswer(query, done.answer, asking.limit).message;
}

interface AnswerOutcome {
  readonly answer: Answer;
  readonly told: Partial<QueryReport> & Pick<QueryReport, 'verdict'>;
}

async function answer(query: Query, asking: QueryContext, options: AnswerOptions): Promise<AnswerOutcome> {
  const { policy, source } = asking;
  const current = policy === undefined || policy.names === 'any' ? [] : policy.names;
  const judged = judgeQuery(query, policy, options.aliases.rulesFor(source, query.name, current));
  const isNeighbours = judged.verdict !== 'empty' && judged.isUnlisted === true;
  const neighbour = isNeighbours ? answerNeighbour(query, (name) => options.neighbours(source, name)) : undefined;
  if (neighbour !== undefined) return { answer: neighbour, told: { verdict: 'answered' } };
  if (judged.verdict === 'deny') return { answer: judged.answer, told: { verdict: 'denied', why: judged.why } };
  if (judged.verdict === 'empty') return { answer: judged.answer, told: { verdict: 'answered' } };
  if (policy === undefined) return failure('no policy');
  return answerAllowed(query, judged, { ...asking, policy }, options);
}

async function answerAllowed(
  query: Query,
  { rules, wouldDeny }: Extract<QueryVerdict, { verdict: 'forward' }>,
  asking: QueryContext & { readonly policy: NamesPolicy },
  options: AnswerOptions,
): Promise<AnswerOutcome> {
  const { limit, policy, source } = asking;
  const wildcard = policy.names === 'any' && policy.isBounded === true ? '*' : wildcardOf(rules);
  if (wildcard !== undefined && !mayLeave(query, wildcard, asking, options))
    return limited(wildcard, policy.maxQueriesPerMinute);
  let found: LookupResult;
  let released: Release;
  try {
    found = await options.lookup.find(query, policy.upstream, source);
    if (!(await options.pace(found.answer.answers.length / recordsOfOne)))
      return { answer: { rcode: rcodes.servFail }, told: { verdict: 'failed', why: tooMuch } };
    released = fitted(query, release(query, found.answer, policy), limit);
  } catch (error) {
    return failure(error, extendedErrors.noReachableAuthority);
  }
  const closed = judgeAliases(query, policy, released.answer.answers ?? []);
  if (closed !== undefined) return { answer: closed.answer, told: { verdict: 'denied', why: closed.why } };
  const { addresses, openable, stripped } = released;
  const began = performance.now();
  try {
    // What is truncated opens less than the whole.
    const key = `${source} ${policy.policyId} ${query.type} ${query.name} ${addresses.length}`;
    if (rules.length > 0 && openable.length > 0 && !options.openAnswers.has(key, found.stored)) {
      const elements = elementsOf(openable, rules, query.name, policy);
      const asker = wildcard === undefined ? { source } : { source, wildcard };
      await within(options.openDeadline, options.open(elements, asker));
      if (addresses.length > few) options.openAnswers.note(key, found.stored);
    }
  } catch (error) {
    return failure(error);
  }
  options.aliases.note(source, released.answer.answers ?? [], rules);
  const told = {
    ...(wouldDeny === undefined ? {} : { why: wouldDeny }),
    from: found.from,
    addresses,
    stripped,
    openTook: performance.now() - began,
  };
  const stale =
    found.from === 'stale' ? { error: { code: extendedErrors.stale, text: 'drawbridge: no upstream answers' } } : {};
  return { answer: { ...stale, ...released.answer }, told: { verdict: 'answered', ...told } };
}

/** Records that cost as much as one query more: a thousand of them are some milliseconds of work. */
const recordsOfOne = 4;

const tooMuch = 'the container asked for more at once than one may';

/** Addresses that are opened again each time that they are told: somebody may have closed them. */
const few = 50;

/** Names that were asked before tell whoever owns the zone nothing new. */
function mayLeave(
  query: Query,
  wildcard: string,
  { policy, source }: QueryContext & { readonly policy: NamesPolicy },
  { lookup, rates }: AnswerOptions,
): boolean {
  if (lookup.wasAsked(query, policy.upstream)) return true;
  const { maxQueriesPerMinute } = policy;
  return rates.take(`${source} ${wildcard}`, { perSecond: maxQueriesPerMinute / 60, burst: maxQueriesPerMinute });
}

/** The wildcard that opens a name, where nothing else does: whoever owns its zone reads what is asked under it. */
function wildcardOf(rules: readonly NameRule[]): string | undefined {
  return rules.every(({ name }) => name.startsWith('*.')) ? rules[0]?.name : undefined;
}

function limited(wildcard: string, most: number): AnswerOutcome {
  const why = `more than ${most} new names a minute left the host under "${wildcard}" (dns.maxQueriesPerMinute)`;
  const error = { code: extendedErrors.prohibited, text: `drawbridge: ${why}` };
  return { answer: { rcode: rcodes.refused, error }, told: { verdict: 'limited', why } };
}

/** What does not fit into the answer is not opened either: the client asks again by TCP. */
function fitted(query: Query, released: Release, limit: number): Release {
  const { answers = [] } = released.answer;
  const { written } = writeAnswer(query, released.answer, limit);
  if (written === answers.length) return released;
  const told = new Set(answers.slice(0, written).map(({ address }) => address));
  const isTold = ({ address }: SeenAnswer): boolean => told.has(address);
  return { ...released, addresses: released.addresses.filter(isTold), openable: released.openable.filter(isTold) };
}

function elementsOf(
  addresses: readonly SeenAnswer[],
  rules: readonly NameRule[],
  name: string,
  policy: NamesPolicy,
): Element[] {
  return addresses.flatMap(({ address, ttl }) =>
    rules.map((rule) =>
      openedElement(policy, rule, { name, address, seconds: lifetime(ttl, policy.refreshIntervalMinutes) }),
    ),
  );
}

function failure(error: unknown, code: number = extendedErrors.other): AnswerOutcome {
  const why = error instanceof Error ? error.message : String(error);
  return {
    answer: { rcode: rcodes.servFail, error: { code, text: `drawbridge: ${why}` } },
    told: { verdict: 'failed', why },
  };
}

async function within(deadline: number, task: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the addresses were not open within ${deadline} ms`)), deadline);
  });
  try {
    await Promise.race([task, late]);
  } finally {
    clearTimeout(timer);
  }
}
