import type { Survey } from '../../repair/survey/attachments.ts';

export type CheckName =
  | 'programs'
  | 'kernel'
  | 'records'
  | 'links'
  | 'bridges'
  | 'rules'
  | 'gates'
  | 'forwarding'
  | 'routes'
  | 'overlaps'
  | 'firewalls'
  | 'bridge-netfilter'
  | 'ipv6'
  | 'conntrack'
  | 'leases'
  | 'policies'
  | 'bounds'
  | 'marks'
  | 'nat64'
  | 'queue'
  | 'agent'
  | 'dns'
  | 'clock'
  | 'disk'
  | 'leftovers';

/** What a check found that is not as it should be. */
export interface Trouble {
  /** "problem" keeps containers from something, "warning" may, "notice" is worth knowing. */
  readonly severity: 'problem' | 'warning' | 'notice';
  /** What was found, one sentence without a period. */
  readonly found: string;
  /** Why it matters. */
  readonly why: string;
  /** Commands that mend it, ready to be pasted; what to do in words when `isAdvice`. */
  readonly remedy: string;
  readonly isAdvice?: boolean;
  /** Does what `remedy` says, where that is safe. */
  readonly fix?: () => Promise<void>;
}

export interface Check {
  readonly name: CheckName;
  /** What is looked at, for a check that fails. */
  readonly about: string;
  readonly run: (survey: Survey) => Trouble[] | Promise<Trouble[]>;
}
