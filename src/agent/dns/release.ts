import { lifetime, mostAddresses, type Answer as SeenAnswer } from '../../egress/names-lifetimes.ts';
import { denyingRule } from '../../egress/deny-names.ts';
import { deniedAuthority } from './judge-query.ts';
import { rulesFor, type NamesPolicy } from './names-policy.ts';
import type { Query } from './read-query.ts';
import type { ResourceRecord } from './read-response.ts';
import { extendedErrors, rcodes, recordTypes } from './record-types.ts';
import { withoutIndex } from './service-binding.ts';
import type { Answer } from './write-message.ts';

/** What upstream said, as the cache keeps it. */
export interface UpstreamAnswer {
  readonly rcode: number;
  readonly answers: readonly ResourceRecord[];
  readonly soa?: ResourceRecord;
}

/** What of an answer a container gets, and what has to be open before it does. */
export interface Release {
  readonly answer: Answer;
  /** In the order of the answer; the TTL is the shortest on the way from the name to the address. */
  readonly addresses: readonly SeenAnswer[];
  /** Those of them that a name may open: not one that is private, and told for another reason. */
  readonly openable: readonly SeenAnswer[];
  /** Addresses that were stripped: private, link-local, metadata and bogon ranges (DNS rebinding). */
  readonly stripped: readonly string[];
}

/** Links of CNAME that are followed; BIND follows 16. */
const longestChain = 16;

/**
 * Picks out of an answer the chain of CNAMEs from the name, and at its end the records that were asked for.
 * Anything else that came along is left out, so that nobody believes it, and none of its addresses is opened.
 *
 * TTLs are cut to the refresh interval: a client that remembers an answer for a day would otherwise still
 * use addresses that are closed again.
 */
export function release({ name, type }: Query, { rcode, answers, soa }: UpstreamAnswer, policy: NamesPolicy): Release {
  const chain = followChain(name, type, answers);
  const found =
    type === recordTypes.CNAME
      ? []
      : answers.filter((one) => one.type === type && one.name.toLowerCase() === chain.end);
  const { kept, stripped } =
    type === recordTypes.A || type === recordTypes.AAAA
      ? stripAddresses(found, policy)
      : { kept: stripHints(found, chain.end, policy), stripped: [] };
  const seen = kept.flatMap(({ address, isReserved, ttl }) =>
    address === undefined ? [] : [{ isReserved, answer: { address, ttl: Math.min(ttl, chain.ttl) } }],
  );
  const released = [...chain.links, ...kept].map((record) => ({
    ...record,
    ttl: Math.min(record.ttl, longestTtl(policy)),
  }));
  const isEmpty = kept.length === 0 && (chain.links.length === 0 || type !== recordTypes.CNAME);
  const authorities = isEmpty ? [soa ?? deniedAuthority(chain.end)] : [];
  return {
    answer: {
      rcode: kept.length > 0 ? rcodes.noError : rcode,
      answers: released,
      authorities,
      ...filteredError(stripped),
    },
    addresses: seen.map((one) => one.answer),
    openable: seen.flatMap((one) => (one.isReserved === true ? [] : [one.answer])),
    stripped,
  };
}

/** Seconds that a client may remember an answer for: as long as its addresses are open without the grace. */
function longestTtl({ refreshIntervalMinutes }: NamesPolicy): number {
  return lifetime(Number.MAX_SAFE_INTEGER, refreshIntervalMinutes) / 2;
}

interface Chain {
  readonly links: readonly ResourceRecord[];
  /** The name that the chain ends at, lower case. */
  readonly end: string;
  /** The shortest TTL of its links; infinite without any. */
  readonly ttl: number;
}

function followChain(name: string, type: number, answers: readonly ResourceRecord[]): Chain {
  const links: ResourceRecord[] = [];
  let end = name;
  for (;;) {
    const link = answers.find((one) => one.target !== undefined && one.name.toLowerCase() === end);
    if (link?.target === undefined || links.length === longestChain || links.includes(link)) break;
    links.push(link);
    end = link.target;
    if (type === recordTypes.CNAME) break;
  }
  return { links, end, ttl: Math.min(...links.map(({ ttl }) => ttl)) };
}

function stripAddresses(
  found: readonly ResourceRecord[],
  { names, audit, isOpenByAddress }: NamesPolicy,
): { kept: ResourceRecord[]; stripped: string[] } {
  const isKept = ({ address = '', isReserved }: ResourceRecord): boolean =>
    names === 'any' || audit === true || isReserved !== true || isOpenByAddress?.(address) === true;
  const { true: kept = [], false: stripped = [] } = Object.groupBy(found, (record) => `${isKept(record)}`);
  return { kept: kept.slice(0, mostAddresses), stripped: stripped.map(({ address = '' }) => address) };
}

function stripHints(
  found: readonly ResourceRecord[],
  owner: string,
  { names, audit, checksNames, denyNames }: NamesPolicy,
): ResourceRecord[] {
  if (audit === true || (names === 'any' && checksNames !== true && denyNames === undefined)) return [...found];
  const isOpen = (target: string): boolean =>
    denyingRule({ denyNames: denyNames ?? [] }, target) === undefined &&
    (names === 'any' || rulesFor(names, target).length > 0);
  return found.flatMap((record) => {
    if (record.type !== recordTypes.HTTPS && record.type !== recordTypes.SVCB) return [record];
    const rdata = withoutIndex(record.rdata, owner, {
      isOpen,
      keepsEch: checksNames !== true,
    });
    return rdata === undefined ? [] : [{ ...record, rdata }];
  });
}

function filteredError(stripped: readonly string[]): Pick<Answer, 'error'> {
  if (stripped.length === 0) return {};
  return {
    error: {
      code: extendedErrors.filtered,
      text: `drawbridge: ${stripped.length} addresses stripped, no name opens ${stripped[0]}`,
    },
  };
}
