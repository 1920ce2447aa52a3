import type { QueryReport } from '../dns/answer-query.ts';
import type { Denial } from './denied-packet.ts';
import { recordOf, type DecisionContext } from './decision.ts';

/** A query that was refused, or several that are told at once. */
export type RefusedQuery = Pick<QueryReport, 'name' | 'source' | 'verdict' | 'why'> & { readonly count?: number };

/** The name that a query was refused for, or would have been; undefined for any other query. */
export function readRefusedName(
  { name, source, verdict, why, count = 1 }: RefusedQuery,
  context: DecisionContext,
): Denial | undefined {
  const isRefused = verdict === 'denied' || (verdict === 'answered' && why !== undefined);
  const record = isRefused ? context.parties.at(source) : undefined;
  if (record?.egress === undefined || record.egress.policy.record === 'none') return undefined;
  const { policy } = record.egress;
  return {
    key: `name ${record.key} ${name}`,
    container: record.containerId,
    count,
    make: (now) =>
      recordOf(
        record,
        {
          verdict: verdict === 'denied' ? 'deny' : 'audit',
          direction: 'egress',
          source,
          destination: name,
          port: 53,
          protocol: 'dns',
          name,
          rule: `mode "${policy.mode}"`,
          reason: why ?? 'the name is not in the policy',
          count,
        },
        context,
        now,
      ),
  };
}
