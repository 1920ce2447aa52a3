import type { QueryReport } from '../dns/answer-query.ts';
import type { Denial, DenialContext } from './denied-packet.ts';

/** A query that was refused, or several that are told at once. */
export type RefusedQuery = Pick<QueryReport, 'name' | 'source' | 'verdict' | 'why'> & { readonly count?: number };

/** The name that a query was refused for, or would have been; undefined for any other query. */
export function readRefusedName(
  { name, source, verdict, why, count = 1 }: RefusedQuery,
  { parties, nextId, placeOf }: DenialContext,
): Denial | undefined {
  const isRefused = verdict === 'denied' || (verdict === 'answered' && why !== undefined);
  const record = isRefused ? parties.at(source) : undefined;
  if (record?.egress === undefined || record.egress.policy.record === 'none') return undefined;
  const { policy, policyName } = record.egress;
  return {
    key: `name ${record.key} ${name}`,
    container: record.containerId,
    count,
    make: (now) => {
      const rule = `mode "${policy.mode}"`;
      const place = placeOf(record, rule);
      return {
        id: nextId(),
        time: new Date(now).toISOString(),
        verdict: verdict === 'denied' ? 'deny' : 'audit',
        direction: 'egress',
        ...parties.owner(record),
        source,
        destination: name,
        port: 53,
        protocol: 'dns',
        name,
        policy: policyName ?? null,
        rule,
        reason: why ?? 'the name is not in the policy',
        ...(place === undefined ? {} : { place }),
        count,
      };
    },
  };
}
