import { quotaPrefix, translatedPrefix } from '../../dataplane/catalogue/recording.ts';
import type { FlowRecord } from '../../flows/flow-record.ts';
import type { LoggedPacket } from '../../host/netlink/packet-log.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { FoldedEvent } from '../../flows/fold.ts';
import { recordOf, type DecisionContext } from './decision.ts';

/** A denial that was told, before it is made into a record. */
export interface Denial extends FoldedEvent {
  make(now: number): FlowRecord;
}

/** What a denied packet asked for, where that is not what stands in it. */
export interface TrueDestination {
  readonly destination: string;
  readonly port: number | undefined;
}

/** Whether a packet does not bear the destination that it asked for. */
export function isTranslated({ prefix }: LoggedPacket): boolean {
  return prefix === translatedPrefix;
}

/**
 * The denial that a packet was; undefined when it is of no container that is attached, or its policy records nothing.
 * What a container asked for is its own denial; what somebody else asked of it is one of "ingress".
 */
export function readDenial(
  packet: LoggedPacket,
  context: DecisionContext,
  asked: TrueDestination = { destination: packet.destination, port: packet.destinationPort },
): Denial | undefined {
  const { parties } = context;
  const own = parties.at(packet.source, packet.inputIndex);
  if (own?.egress !== undefined) return outgoing(own, packet, context, asked);
  const target = parties.at(packet.destination);
  return target?.egress === undefined ? undefined : incoming(target, packet, context);
}

function outgoing(
  record: AttachmentRecord,
  packet: LoggedPacket,
  context: DecisionContext,
  { destination, port }: TrueDestination,
): Denial | undefined {
  if (record.egress?.policy.record === 'none') return undefined;
  const { protocol, source } = packet;
  const isQuota = packet.prefix === quotaPrefix;
  return {
    key: `out ${isQuota ? 'quota ' : ''}${record.key} ${destination} ${protocol} ${port ?? ''}`,
    container: record.containerId,
    count: 1,
    make: (now) => {
      const { parties, nameOf } = context;
      const peer = parties.at(packet.destination);
      const { rule, reason } = isQuota
        ? { rule: 'quota', reason: 'it has used the bytes that it may in this period' }
        : parties.verdict(record, { address: destination, protocol, ...(port === undefined ? {} : { port }) });
      const decision = {
        verdict: record.egress?.policy.audit === true && !isQuota ? 'audit' : 'deny',
        direction: peer === undefined ? (packet.isForHost ? 'host' : 'egress') : 'sibling',
        source,
        destination,
        port,
        protocol,
        name: nameOf(destination),
        peer,
        rule,
        reason,
        count: 1,
      } as const;
      return recordOf(record, decision, context, now);
    },
  };
}

function incoming(
  record: AttachmentRecord,
  { source, destination, destinationPort: port, protocol }: LoggedPacket,
  context: DecisionContext,
): Denial | undefined {
  const { egress } = record;
  if (egress === undefined || egress.policy.record === 'none') return undefined;
  return {
    key: `in ${record.key} ${source} ${protocol} ${port ?? ''}`,
    container: record.containerId,
    count: 1,
    make: (now) => {
      const decision = {
        verdict: egress.policy.audit ? 'audit' : 'deny',
        direction: 'ingress',
        source,
        destination,
        port,
        protocol,
        peer: context.parties.at(source),
        rule: `ingress "${egress.policy.ingress}"`,
        reason: 'nobody may ask this of the container: only its published ports lead to it',
        count: 1,
      } as const;
      return recordOf(record, decision, context, now);
    },
  };
}
