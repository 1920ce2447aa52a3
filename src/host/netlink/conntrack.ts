/**
 * Flows that the kernel tracks, as nfnetlink tells them (linux/netfilter/nfnetlink_conntrack.h): listed, and deleted
 * one by one.
 */
import { addressBytes, addressText } from '../../ip/bytes.ts';
import { familyOf } from '../../ip/family.ts';
import { RefusedError, type Conversation } from './conversation.ts';
import { attribute, decodeAttributes, flag, readNumber, u32, u8, type Answer, type Attribute } from './message.ts';

/** One flow in the words of who began it. */
export interface Flow {
  /** "tcp", "udp", "sctp", "icmp", "icmpv6", "gre", or a number. */
  readonly protocol: string;
  readonly source: string;
  /** What was asked for, before any translation. */
  readonly destination: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Who answers: differs from `destination` when that was translated. */
  readonly answerer: string;
}

/** Flows with all that is given; addresses without prefix length. */
export interface FlowFilter {
  readonly family: 4 | 6;
  readonly protocol?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly destinationPort?: number;
  readonly answerer?: string;
}

/** A flow as it was listed, with what the kernel tells it by. */
export interface ListedFlow extends Flow {
  readonly family: 4 | 6;
  readonly handle: readonly Attribute[];
}

/**
 * Lists the flows that match any of the filters, of zone 0: in another one the same address may be somebody else's.
 * Where the kernel can filter (Linux 5.8) and is asked to, it tells no others. Throws {@link RefusedError}.
 */
export function readFlows(
  conversation: Conversation,
  filters: readonly FlowFilter[],
  { filteredByKernel }: { readonly filteredByKernel: boolean },
): ListedFlow[] {
  const requests = filteredByKernel ? filters.map(filteredRequest) : [request(ctGet, 0, [])];
  const listed = requests.flatMap((one) => conversation.read({ ...one, flags: flag.dump }).flatMap(flowOf));
  const byAddress = Map.groupBy(filters, addressOf);
  const candidates = ({ source, answerer }: Flow): readonly FlowFilter[] =>
    [source, answerer, ''].flatMap((address) => byAddress.get(address) ?? []);
  return listed.filter((flow) => candidates(flow).some((filter) => matches(flow, filter)));
}

/** Of the source or the answerer, as it stands in a flow; "" for a filter that has neither. */
function addressOf({ source, answerer }: FlowFilter): string {
  return canonical(source ?? answerer) ?? '';
}

/**
 * Deletes one flow; one that is gone, or made way for another of the same addresses and ports, is deleted. Throws
 * {@link RefusedError}.
 */
export function deleteFlow(conversation: Conversation, { family, handle }: ListedFlow): void {
  try {
    conversation.change(request(ctDelete, families[family], handle));
  } catch (error) {
    if (!(error instanceof RefusedError && error.errno === ENOENT)) throw error;
  }
}

/** Message types of subsystem 1 (NFNL_SUBSYS_CTNETLINK): IPCTNL_MSG_CT_GET and IPCTNL_MSG_CT_DELETE. */
const ctGet = (1 << 8) | 1;
const ctDelete = (1 << 8) | 2;
const ENOENT = 2;
const families = { 4: 2, 6: 10 } as const;
const NLA_F_NESTED = 0x8000;
const cta = { original: 1, reply: 2, counted: 9, countedReply: 10, id: 12, zone: 18, filter: 25 } as const;
/** CTA_COUNTERS_PACKETS and CTA_COUNTERS_BYTES. */
const ctaCounters = { packets: 1, bytes: 2 } as const;
const ctaTuple = { ip: 1, proto: 2, zone: 3 } as const;
const ctaIp = { 4: { source: 1, destination: 2 }, 6: { source: 3, destination: 4 } } as const;
const ctaProto = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
/** CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS, and the bits in them that say what of a tuple counts. */
const ctaFilter = { original: 1, reply: 2 } as const;
const counts = { source: 1 << 0, destination: 1 << 1, protocol: 1 << 3, destinationPort: 1 << 5 } as const;
const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  47: 'gre',
  58: 'icmpv6',
  132: 'sctp',
};

interface ConntrackRequest {
  readonly type: number;
  readonly flags: number;
  readonly head: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** The fixed part is struct nfgenmsg. */
function request(type: number, family: number, attributes: readonly Attribute[]): ConntrackRequest {
  return { type, flags: 0, head: u8(family, 0, 0, 0), attributes };
}

function filteredRequest({
  family,
  source,
  destination,
  answerer,
  protocol,
  destinationPort,
}: FlowFilter): ConntrackRequest {
  const number = Object.entries(protocolNames).find(([, name]) => name === protocol)?.[0];
  const original = tupleOf(family, { source, destination, protocol: number, destinationPort });
  const reply = tupleOf(family, { source: answerer });
  return request(ctGet, families[family], [
    ...(original.bits === 0 ? [] : [nested(cta.original, original.parts)]),
    ...(reply.bits === 0 ? [] : [nested(cta.reply, reply.parts)]),
    nested(cta.filter, [
      attribute(ctaFilter.original, u32(original.bits)),
      attribute(ctaFilter.reply, u32(reply.bits)),
    ]),
  ]);
}

function tupleOf(
  family: 4 | 6,
  wanted: {
    readonly source?: string | undefined;
    readonly destination?: string | undefined;
    readonly protocol?: string | undefined;
    readonly destinationPort?: number | undefined;
  },
): { readonly bits: number; readonly parts: readonly Attribute[] } {
  const { source, destination, protocol, destinationPort } = wanted;
  const hasPort = protocol !== undefined && destinationPort !== undefined;
  const bits =
    (source === undefined ? 0 : counts.source) |
    (destination === undefined ? 0 : counts.destination) |
    (protocol === undefined ? 0 : counts.protocol) |
    (hasPort ? counts.destinationPort : 0);
  const addresses = [
    ...(source === undefined ? [] : [addressAttribute(ctaIp[family].source, source)]),
    ...(destination === undefined ? [] : [addressAttribute(ctaIp[family].destination, destination)]),
  ];
  const transport = [
    ...(protocol === undefined ? [] : [attribute(ctaProto.number, u8(Number(protocol)))]),
    ...(hasPort ? [attribute(ctaProto.destinationPort, u8(destinationPort >> 8, destinationPort & 255))] : []),
  ];
  return {
    bits,
    parts: [
      ...(addresses.length === 0 ? [] : [nested(ctaTuple.ip, addresses)]),
      ...(transport.length === 0 ? [] : [nested(ctaTuple.proto, transport)]),
    ],
  };
}

function addressAttribute(kind: number, address: string): Attribute {
  return attribute(kind, addressBytes(address) ?? new Uint8Array(familyOf(address) === 6 ? 16 : 4));
}

function nested(kind: number, value: Attribute['value']): Attribute {
  return attribute(NLA_F_NESTED | kind, value);
}

/** What became of a flow: it began, or it is over. */
export interface FlowEvent {
  readonly kind: 'began' | 'ended';
  readonly flow: CountedFlow;
}

/** A flow with what passed of it: zero where `nf_conntrack_acct` was off when it began. */
export interface CountedFlow extends Flow {
  /** The kernel's id of it, which no other has while it is there. */
  readonly id: string;
  readonly asked: FlowCount;
  readonly answered: FlowCount;
}

export interface FlowCount {
  readonly packets: number;
  readonly bytes: number;
}

/** Groups of {@link readFlowEvent}: NFNLGRP_CONNTRACK_NEW and NFNLGRP_CONNTRACK_DESTROY. */
export const flowEventGroups = [1, 3] as const;
const ctNew = 1 << 8;

/** Undefined for messages about anything else, and as {@link readFlows} leaves flows out. */
export function readFlowEvent(answer: Answer): FlowEvent | undefined {
  if (answer.type !== ctNew && answer.type !== ctDelete) return undefined;
  const flow = countedFlow(answer);
  return flow === undefined ? undefined : { kind: answer.type === ctNew ? 'began' : 'ended', flow };
}

/** All flows with their counts, of zone 0. Throws {@link RefusedError}. */
export function readCountedFlows(conversation: Conversation): CountedFlow[] {
  return conversation
    .read({ ...request(ctGet, 0, []), flags: flag.dump })
    .flatMap((answer) => countedFlow(answer) ?? []);
}

function countedFlow(answer: Answer): CountedFlow | undefined {
  const [found] = flowOf(answer);
  if (found === undefined) return undefined;
  const { family: _, handle: __, ...flow } = found;
  const attributes = decodeAttributes(answer.payload.subarray(4));
  const id = attributes.get(cta.id);
  return {
    ...flow,
    id: id === undefined ? '' : String(readNumber(id)),
    asked: countedIn(attributes.get(cta.counted)),
    answered: countedIn(attributes.get(cta.countedReply)),
  };
}

function countedIn(bytes: Uint8Array | undefined): FlowCount {
  const counters = decodeAttributes(bytes ?? u8());
  const number = (value: Uint8Array | undefined): number =>
    value === undefined ? 0 : Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0));
  return { packets: number(counters.get(ctaCounters.packets)), bytes: number(counters.get(ctaCounters.bytes)) };
}

/** None for one of another zone, or of a kind of address that we know nothing of. */
function flowOf({ payload }: Answer): ListedFlow[] {
  const family = readNumber(payload, 0, 1) === families[6] ? 6 : 4;
  const attributes = decodeAttributes(payload.subarray(4));
  const original = attributes.get(cta.original);
  const reply = attributes.get(cta.reply);
  if (original === undefined || reply === undefined || attributes.has(cta.zone)) return [];
  const [asked, answered] = [readTuple(original, family), readTuple(reply, family)];
  if (asked === undefined || answered === undefined) return [];
  const id = attributes.get(cta.id);
  const handle = [nested(cta.original, original), ...(id === undefined ? [] : [attribute(cta.id, id)])];
  return [{ ...asked, answerer: answered.source, family, handle }];
}

function readTuple(bytes: Uint8Array, family: 4 | 6): Omit<Flow, 'answerer'> | undefined {
  const parts = decodeAttributes(bytes);
  const addresses = decodeAttributes(parts.get(ctaTuple.ip) ?? u8());
  const [source, destination] = [addresses.get(ctaIp[family].source), addresses.get(ctaIp[family].destination)];
  if (source === undefined || destination === undefined || parts.has(ctaTuple.zone)) return undefined;
  const transport = decodeAttributes(parts.get(ctaTuple.proto) ?? u8());
  const number = readNumber(transport.get(ctaProto.number) ?? u8(0));
  const [from, to] = [transport.get(ctaProto.sourcePort), transport.get(ctaProto.destinationPort)];
  return {
    protocol: protocolNames[number] ?? String(number),
    source: addressText(source),
    destination: addressText(destination),
    ...(from === undefined ? {} : { sourcePort: portOf(from) }),
    ...(to === undefined ? {} : { destinationPort: portOf(to) }),
  };
}

/** In network byte order, as it is sent. */
function portOf(bytes: Uint8Array): number {
  return (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
}

function matches(flow: ListedFlow, filter: FlowFilter): boolean {
  return (
    flow.family === filter.family &&
    (filter.protocol === undefined || flow.protocol === filter.protocol) &&
    (filter.destinationPort === undefined || flow.destinationPort === filter.destinationPort) &&
    [flow.source, undefined].includes(canonical(filter.source)) &&
    [flow.destination, undefined].includes(canonical(filter.destination)) &&
    [flow.answerer, undefined].includes(canonical(filter.answerer))
  );
}

/** One address may be written in several ways. */
function canonical(address: string | undefined): string | undefined {
  const bytes = address === undefined ? undefined : addressBytes(address);
  return bytes === undefined ? address : addressText(bytes);
}
