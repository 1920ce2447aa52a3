import type { FlowRecord } from '../../flows/flow-record.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { Parties } from './parties.ts';

/** What was decided for or about a container, as its source tells it. */
export interface Decision {
  readonly verdict: FlowRecord['verdict'];
  readonly direction: FlowRecord['direction'];
  readonly source: string;
  readonly destination: string;
  readonly port?: number | undefined;
  readonly protocol: string;
  readonly name?: string | undefined;
  /** The other container. */
  readonly peer?: AttachmentRecord | undefined;
  readonly rule: string;
  readonly reason: string;
  readonly count: number;
}

/** What is known besides the decision. */
export interface DecisionContext {
  readonly parties: Parties;
  /** What an address was called when a container was told it. */
  readonly nameOf: (address: string) => string | undefined;
  /** The id of the next record. */
  readonly nextId: () => string;
  /** Where the rule of an attachment's policy is written. */
  readonly placeOf: (record: AttachmentRecord, rule: string) => string | undefined;
}

/**
 * The record of a decision: whose it is, by which policy, and where that is written. `now` is milliseconds since 1970.
 */
export function recordOf(
  record: AttachmentRecord,
  decision: Decision,
  { nextId, parties, placeOf }: Pick<DecisionContext, 'nextId' | 'parties' | 'placeOf'>,
  now: number,
): FlowRecord {
  const { verdict, direction, source, destination, port, protocol, name, peer, rule, reason, count } = decision;
  const place = placeOf(record, rule);
  return {
    id: nextId(),
    time: new Date(now).toISOString(),
    verdict,
    direction,
    ...parties.owner(record),
    source,
    destination,
    ...(port === undefined ? {} : { port }),
    protocol,
    ...(name === undefined ? {} : { name }),
    ...(peer === undefined ? {} : { peer: peer.containerId }),
    policy: record.egress?.policyName ?? null,
    rule,
    reason,
    ...(place === undefined ? {} : { place }),
    count,
  };
}
