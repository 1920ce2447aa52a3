import { lifetime, type Answer as SeenAnswer } from '../../egress/names-lifetimes.ts';
import type { NameRule } from '../../egress/policy.ts';
import { reservedRangeOf } from '../../egress/ranges-reserved.ts';
import type { Element } from '../../nft/element.ts';
import { openedElement } from '../names/opened-element.ts';
import { judgeQuery } from './judge-query.ts';
import type { LookupResult, Lookup } from './lookup.ts';
import type { NamesPolicy } from './names-policy.ts';
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
  /** Puts elements into the kernel; settles when they are there, and rejects when that is not certain. */
  readonly open: (elements: readonly Element[]) => Promise<void>;
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
  readonly verdict: 'denied' | 'answered' | 'failed';
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

async function answer(
  query: Query,
  { policy, limit, source }: QueryContext,
  { lookup, open, openDeadline }: AnswerOptions,
): Promise<AnswerOutcome> {
  const judged = judgeQuery(query, policy);
  if (judged.verdict === 'deny' || policy === undefined)
    return judged.verdict === 'deny'
      ? { answer: judged.answer, told: { verdict: 'denied', why: judged.why } }
      : failure('no policy');
  let found: LookupResult;
  let released: Release;
  try {
    found = await lookup.find(query, policy.upstream, source);
    released = fitted(query, release(query, found.answer, policy), limit);
  } catch (error) {
    return failure(error, extendedErrors.noReachableAuthority);
  }
  const { addresses, stripped } = released;
  const elements = elementsOf(addresses, judged.rules, query.name, policy);
  const opened = performance.now();
  try {
    if (elements.length > 0) await within(openDeadline, open(elements));
  } catch (error) {
    return failure(error);
  }
  const told = {
    ...(judged.wouldDeny === undefined ? {} : { why: judged.wouldDeny }),
    from: found.from,
    addresses,
    stripped,
    openTook: performance.now() - opened,
  };
  const stale =
    found.from === 'stale' ? { error: { code: extendedErrors.stale, text: 'drawbridge: no upstream answers' } } : {};
  return { answer: { ...stale, ...released.answer }, told: { verdict: 'answered', ...told } };
}

/** What does not fit into the answer is not opened either: the client asks again by TCP. */
function fitted(query: Query, released: Release, limit: number): Release {
  const { answers = [] } = released.answer;
  const { written } = writeAnswer(query, released.answer, limit);
  if (written === answers.length) return released;
  const told = new Set(answers.slice(0, written).map(({ address }) => address));
  return { ...released, addresses: released.addresses.filter(({ address }) => told.has(address)) };
}

/** An address that is private is told because a literal opens it, or for the audit: no name does. */
function elementsOf(
  addresses: readonly SeenAnswer[],
  rules: readonly NameRule[],
  name: string,
  policy: NamesPolicy,
): Element[] {
  return addresses
    .filter(({ address }) => reservedRangeOf(address) === undefined)
    .flatMap(({ address, ttl }) =>
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
