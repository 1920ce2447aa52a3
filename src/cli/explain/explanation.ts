import type { Verdict } from '../../egress/judge.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { OpenAddress } from '../../repair/survey/open-names.ts';
import type { PolicyEntry } from './advice.ts';
import type { AskedDestination } from './destination.ts';
import type { Obstacle } from './obstacle.ts';
import type { PolicyFile, RulePlace } from '../../repair/survey/policy-place.ts';
import type { Trace } from './trace.ts';

/** What becomes of packets to one address. */
export interface AddressAnswer extends Verdict {
  readonly address: string;
  /** What the kernel has open at the address because of a name. */
  readonly open: readonly OpenAddress[];
  readonly obstacles: readonly Obstacle[];
}

export interface Explanation {
  readonly record: AttachmentRecord;
  readonly asked: AskedDestination;
  readonly verdict: 'allow' | 'deny';
  readonly rule: string;
  readonly reason: string;
  readonly answers: readonly AddressAnswer[];
  /** Of families that the container has no address of. */
  readonly left: readonly string[];
  readonly problems: readonly string[];
  readonly file: PolicyFile | undefined;
  readonly place: RulePlace | undefined;
  readonly advice: string | undefined;
  /** What of the advice can be written into the policy. */
  readonly opening: PolicyEntry | undefined;
  readonly trace: Trace | undefined;
}
