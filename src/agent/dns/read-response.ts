import { reservedRangeOf } from '../../egress/ranges-reserved.ts';
import { formatAddress } from '../../ip/address.ts';
import { expandRdata, readName } from './codec.ts';
import { rcodes, recordTypes } from './record-types.ts';

/** A record of the answer, free of the message that it came in: its RDATA holds no compressed names. */
export interface ResourceRecord {
  readonly name: string;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly rdata: Buffer;
  /** Canonical text, for A and AAAA. */
  readonly address?: string;
  /** Whether that is private, link-local, metadata or a bogon: looked up once, and cached with the answer. */
  readonly isReserved?: boolean;
  /** Lower case, for CNAME. */
  readonly target?: string;
}

export interface Response {
  readonly id: number;
  readonly isTruncated: boolean;
  readonly rcode: number;
  /** Lower case. */
  readonly name: string;
  readonly type: number;
  readonly answers: readonly ResourceRecord[];
  /** The SOA of a negative answer, with the TTL that its absence of a name may be remembered for (RFC 2308). */
  readonly soa?: ResourceRecord;
}

/** Records that hold names, which may be compressed, of the types that are forwarded. */
const typesWithNames: ReadonlyMap<number, string> = new Map([
  [recordTypes.NS, 'NS'],
  [recordTypes.CNAME, 'CNAME'],
  [recordTypes.SOA, 'SOA'],
  [recordTypes.PTR, 'PTR'],
  [recordTypes.MX, 'MX'],
  [recordTypes.SRV, 'SRV'],
]);

/** More than 64 KiB can hold of addresses with their names compressed. */
const mostRecords = 4096;

/**
 * Reads an upstream's answer. Only what is read here is ever passed on, written anew: bytes that clients
 * might read otherwise than we do do not get through. Throws when it is malformed.
 */
export function readResponse(message: Buffer): Response {
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) === 0) throw new RangeError('it is not an answer');
  if (message.readUInt16BE(4) !== 1) throw new RangeError('it does not repeat the question');
  const asked = readName(message, 12);
  const type = message.readUInt16BE(asked.end);
  if (message.readUInt16BE(asked.end + 2) !== 1) throw new RangeError('it is not of class IN');
  const answers: ResourceRecord[] = [];
  const isTruncated = (flags & 0x0200) !== 0;
  const base = { id: message.readUInt16BE(0), isTruncated, rcode: flags & 0xf, name: asked.name.toLowerCase(), type };
  if (isTruncated) return { ...base, answers };
  const counts = [message.readUInt16BE(6), message.readUInt16BE(8)] as const;
  if (counts[0] + counts[1] > mostRecords) throw new RangeError(`it has ${counts[0] + counts[1]} records`);
  let offset = asked.end + 4;
  let soa: ResourceRecord | undefined;
  for (let index = 0; index < counts[0] + counts[1]; index += 1) {
    const { record, end } = readRecord(message, offset);
    if (index < counts[0]) {
      if (record !== undefined) answers.push(record);
    } else if (record?.type === recordTypes.SOA) {
      soa ??= { ...record, ttl: Math.min(record.ttl, record.rdata.readUInt32BE(record.rdata.length - 4)) };
    }
    offset = end;
  }
  return { ...base, answers, ...(soa === undefined ? {} : { soa }) };
}

/** A header alone that says FORMERR or NOTIMP: what servers from before EDNS send when they could not read the rest. */
export function isBareRefusal(message: Buffer): boolean {
  const flags = message.readUInt16BE(2);
  const rcode = flags & 0xf;
  return message.length === 12 && (flags & 0x8000) !== 0 && (rcode === rcodes.formErr || rcode === rcodes.notImp);
}

/** Undefined for a record of a type that is not passed on, such as a signature. */
function readRecord(message: Buffer, start: number): { record: ResourceRecord | undefined; end: number } {
  const { name, end: fixed } = readName(message, start);
  const type = message.readUInt16BE(fixed);
  const isInternet = message.readUInt16BE(fixed + 2) === 1;
  const length = message.readUInt16BE(fixed + 8);
  const end = fixed + 10 + length;
  if (end > message.length) throw new RangeError('a record is longer than the message');
  if (!isInternet) return { record: undefined, end };
  // RFC 2181, section 8: a TTL with its highest bit set is 0.
  const ttl = message.readUInt32BE(fixed + 4);
  const record = { name, type, ttl: ttl > 0x7fffffff ? 0 : ttl };
  const holdsNames = typesWithNames.get(type);
  if (holdsNames !== undefined) {
    const rdata = expandRdata(holdsNames, message, fixed + 8);
    const target = type === recordTypes.CNAME ? { target: readName(rdata, 0).name.toLowerCase() } : {};
    return { record: { ...record, rdata, ...target }, end };
  }
  const rdata = Buffer.from(message.subarray(fixed + 10, end));
  if (type === recordTypes.A || type === recordTypes.AAAA) {
    const address = addressText(type, rdata);
    return { record: { ...record, rdata, address, isReserved: reservedRangeOf(address) !== undefined }, end };
  }
  return { record: { ...record, rdata }, end };
}

function addressText(type: number, rdata: Buffer): string {
  const family = type === recordTypes.A ? 4 : 6;
  if (rdata.length !== (family === 4 ? 4 : 16)) throw new RangeError(`an address has ${rdata.length} bytes`);
  return formatAddress({ family, value: BigInt(`0x${rdata.toString('hex')}`) });
}
