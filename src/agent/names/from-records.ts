import { covers, intervalOf, overlaps } from '../../egress/interval.ts';
import { checksNames } from '../../egress/checked-names.ts';
import { usualQueriesPerMinute } from '../../egress/parse-dns.ts';
import { answersEveryName, isAnsweredByAgent } from '../../egress/dns-service.ts';
import type { Policy } from '../../egress/policy.ts';
import { reservedRangeOf } from '../../egress/ranges-reserved.ts';
import { familyOf } from '../../ip/family.ts';
import { interfacePart, type Element } from '../../nft/element.ts';
import { byAge } from '../../records/age.ts';
import type { AttachmentRecord, EgressRecord } from '../../records/record.ts';
import type { NamesPolicy } from '../dns/names-policy.ts';
import type { RefreshedPolicy } from './plan.ts';

/** What the proxy and the refresh have to know, out of the records. */
export interface NamesWork {
  /** By source address; the newest attachment with it counts. */
  readonly bySource: ReadonlyMap<string, NamesPolicy>;
  /** Policies whose names open addresses, each once. */
  readonly refreshed: readonly RefreshedPolicy[];
  /** Gateway addresses that the proxy is to listen at. */
  readonly gateways: readonly string[];
  /** Whose port 53 goes to the proxy, whatever server is asked (egress/dns-service.ts). */
  readonly forced: readonly Element[];
}

/**
 * `hostServers` are asked for policies that name no upstream. Names open addresses in mode allowlist alone; in
 * the others every name is answered.
 */
export function namesWork(records: readonly AttachmentRecord[], hostServers: readonly string[]): NamesWork {
  const enforced = records.toSorted(byAge).flatMap(({ egress }) => (egress === undefined ? [] : [egress]));
  const byId = new Map(enforced.map((egress) => [egress.policyId, egress]));
  const policies = new Map([...byId].map(([id, egress]) => [id, namesPolicy(egress, hostServers)]));
  // What the id does not tell apart is each record's own; the lists of names are shared.
  const policyOf = (egress: EgressRecord): NamesPolicy => ({
    ...namesPolicy(egress, hostServers),
    names: answersEveryName(egress.policy) ? 'any' : (policies.get(egress.policyId)?.names ?? []),
  });
  const opening = [...byId.values()].filter(({ policy }) => opensNames(policy));
  return {
    bySource: new Map(
      enforced.flatMap((egress) => {
        const policy = policyOf(egress);
        return egress.addresses.map((address) => [address, policy] as const);
      }),
    ),
    refreshed: opening.map(({ policyId, policy }) => ({
      policyId,
      names: policy.names,
      upstream: policy.dns.upstream,
      refreshIntervalMinutes: policy.refreshIntervalMinutes,
    })),
    gateways: [...new Set(enforced.flatMap(({ gateways }) => gateways))],
    forced: enforced.filter(({ policy }) => isAnsweredByAgent(policy)).flatMap(forcedElements),
  };
}

function opensNames({ mode, names }: Policy): boolean {
  return mode === 'allowlist' && names.length > 0;
}

function namesPolicy({ policyId, policy }: EgressRecord, hostServers: readonly string[]): NamesPolicy {
  const { mode, names, denyNames, dns, refreshIntervalMinutes, audit } = policy;
  return {
    policyId,
    names: mode === 'allowlist' ? names : 'any',
    ...(denyNames === undefined ? {} : { denyNames }),
    isBounded: mode === 'allowlist',
    denied: dns.denied,
    upstream: dns.upstream.length > 0 ? dns.upstream : hostServers,
    refreshIntervalMinutes,
    maxQueriesPerMinute: dns.maxQueriesPerMinute ?? usualQueriesPerMinute,
    audit,
    checksNames: checksNames(policy),
    isOpenByAddress: (address) => isOpenByAddress(policy, address),
  };
}

/** In the order of judgement: what is denied, what a literal opens, and private ranges where all are open. */
function isOpenByAddress({ deny, allowPrivate, allowLocalNetworks }: Policy, address: string): boolean {
  const wanted = intervalOf(address);
  if (deny.some(({ prefix }) => overlaps(intervalOf(prefix), wanted))) return false;
  if (allowPrivate.some(({ prefix }) => covers(intervalOf(prefix), wanted))) return true;
  return allowLocalNetworks && reservedRangeOf(address)?.kind === 'private';
}

/** Sets: dataplane/catalogue. */
function forcedElements({ ingressInterface, addresses }: EgressRecord): Element[] {
  return addresses.map((address) => ({
    table: 'inet drawbridge',
    set: `dnsforce${familyOf(address)}`,
    key: [interfacePart(ingressInterface), address],
  }));
}
