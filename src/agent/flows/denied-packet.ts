import { quotaPrefix, translatedPrefix } from '../../dataplane/catalogue/recording.ts';
import type { FlowRecord } from '../../flows/flow-record.ts';
import type { LoggedPacket } from '../../host/netlink/packet-log.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { FoldedEvent } from '../../flows/fold.ts';
import type { Parties } from './parties.ts';

/** A denial that was told, before it is made into a record. */
export interface Denial extends FoldedEvent {
  make(now: number): FlowRecord;
}

export interface DenialContext {
  readonly parties: Parties;
  /** What an address was called when a container was told it. */
  readonly nameOf: (address: string) => string | undefined;
  /** The id of the next record. */
  readonly nextId: () => string;
  /** Where the rule of an attachment's policy is written. */
  readonly placeOf: (record: AttachmentRecord, rule: string) => string | undefined;
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
  context: DenialContext,
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
  { parties, nameOf, nextId, placeOf }: DenialContext,
  { destination, port }: TrueDestination,
): Denial | undefined {
  if (record.egress?.policy.record === 'none') return undefined;
  const { protocol, source } = packet;
  return {
    key: `out ${packet.prefix === quotaPrefix ? 'quota ' : ''}${record.key} ${destination} ${protocol} ${port ?? ''}`,
    container: record.containerId,
    count: 1,
    make: (now) => {
      const peer = parties.at(packet.destination);
      const ported = port === undefined ? {} : { port };
      const { rule, reason } =
        packet.prefix === quotaPrefix
          ? { rule: 'quota', reason: 'it has used the bytes that it may in this period' }
          : parties.verdict(record, { address: destination, protocol, ...ported });
      const name = nameOf(destination);
      const place = placeOf(record, rule);
      return {
        id: nextId(),
        time: new Date(now).toISOString(),
        verdict: record.egress?.policy.audit === true && packet.prefix !== quotaPrefix ? 'audit' : 'deny',
        direction: peer === undefined ? (packet.isForHost ? 'host' : 'egress') : 'sibling',
        ...parties.owner(record),
        source,
        destination,
        ...ported,
        protocol,
        ...(name === undefined ? {} : { name }),
        ...(peer === undefined ? {} : { peer: peer.containerId }),
        policy: record.egress?.policyName ?? null,
        rule,
        reason,
        ...(place === undefined ? {} : { place }),
        count: 1,
      };
    },
  };
}

function incoming(
  record: AttachmentRecord,
  { source, destination, destinationPort, protocol }: LoggedPacket,
  { parties, nextId, placeOf }: DenialContext,
): Denial | undefined {
  const { egress } = record;
  if (egress === undefined || egress.policy.record === 'none') return undefined;
  return {
    key: `in ${record.key} ${source} ${protocol} ${destinationPort ?? ''}`,
    container: record.containerId,
    count: 1,
    make: (now) => {
      const peer = parties.at(source);
      const place = placeOf(record, 'ingress');
      return {
        id: nextId(),
        time: new Date(now).toISOString(),
        verdict: egress.policy.audit ? 'audit' : 'deny',
        direction: 'ingress',
        ...parties.owner(record),
        source,
        destination,
        ...(destinationPort === undefined ? {} : { port: destinationPort }),
        protocol,
        ...(peer === undefined ? {} : { peer: peer.containerId }),
        policy: egress.policyName ?? null,
        rule: `ingress "${egress.policy.ingress}"`,
        reason: 'nobody may ask this of the container: only its published ports lead to it',
        ...(place === undefined ? {} : { place }),
        count: 1,
      };
    },
  };
}
