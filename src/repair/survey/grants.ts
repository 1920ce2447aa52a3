import { policyAt } from '../../egress/grants.ts';
import { uptime } from '../../host/uptime.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/** What a container is granted now. */
export interface RunningGrant {
  /** As it was typed. */
  readonly entry: string;
  /** Seconds that it has left. */
  readonly seconds: number;
}

/** What an attachment may reach besides its policy, the first to end first. */
export function grantsLeft({ egress }: Pick<AttachmentRecord, 'egress'>): RunningGrant[] {
  if (egress === undefined) return [];
  const now = uptime();
  return (policyAt(egress.policy, now).grants ?? [])
    .toSorted((one, other) => one.endsAt - other.endsAt)
    .map(({ rule, endsAt }) => ({
      entry: /"(.*)"/.exec(rule.source)?.[1] ?? rule.source,
      seconds: Math.max(1, Math.round((endsAt - now) / 1000)),
    }));
}
