import type { QueryReport } from '../dns/answer-query.ts';
import type { NamesWork } from './from-records.ts';
import type { NamesRefresh } from './refresh.ts';

/**
 * Tells the refresh what the proxy was answered by upstream, so that names that containers ask for anyway are not
 * asked for twice. What came out of the cache is no news, and a name beside the listed ones is nobody's to refresh.
 */
export function noteReport(refresh: Pick<NamesRefresh, 'note'>, { refreshed }: NamesWork, report: QueryReport): void {
  const family = report.type === 'A' ? 4 : report.type === 'AAAA' ? 6 : undefined;
  if (report.verdict !== 'answered' || report.from !== 'upstream' || family === undefined) return;
  const policy = refreshed.find(({ policyId }) => policyId === report.policyId);
  if (policy !== undefined) refresh.note(report.name, policy.upstream, family, report.addresses);
}
