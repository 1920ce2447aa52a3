import dnsPacket from 'dns-packet';
import { rcodes } from './record-types.ts';

/** A query as it came. */
export interface Query {
  readonly id: number;
  /** Lower case, without a trailing dot; "" is the root. */
  readonly name: string;
  /**
   * False when a label holds bytes other than letters, digits, hyphens and underscores: no policy covers such a name.
   */
  readonly isHostName: boolean;
  readonly type: number;
  readonly class: number;
  readonly recursionDesired: boolean;
  /** CD: the client checks signatures itself (RFC 4035, section 3.2.2). */
  readonly checkingDisabled: boolean;
  /** The question section as it came: some clients mix the case of letters and compare the echo (0x20). */
  readonly question: Buffer;
  /** What the client said of EDNS (RFC 6891); undefined when nothing. */
  readonly edns: { readonly payload: number; readonly version: number; readonly dnssecOk: boolean } | undefined;
}

/** What to do with a message that is not a query that can be judged. */
export type UnreadableMessage =
  | { readonly drop: true }
  | { readonly drop: false; readonly id: number; readonly rcode: number; readonly question: Buffer };

const headerLength = 12;
/** A name of 255 bytes, type and class, and room for options of EDNS. */
const longestQuery = 4096;

/**
 * Reads a query. What is too short for one, an answer, or without a readable question is to be dropped in
 * silence: an answer to it could be made to travel in a circle. The rest gets FORMERR or NOTIMP.
 */
export function readQuery(message: Buffer): Query | UnreadableMessage {
  if (message.length < headerLength || message.length > longestQuery) return { drop: true };
  const [id, flags, questions, answers, authorities, additionals] = words(message);
  if ((flags & 0x8000) !== 0) return { drop: true };
  if ((flags & 0x7800) !== 0) return { drop: false, id, rcode: rcodes.notImp, question: Buffer.alloc(0) };
  if (questions !== 1) return { drop: true };
  const asked = readQuestion(message);
  if (asked === undefined) return { drop: true };
  const formErr: UnreadableMessage = { drop: false, id, rcode: rcodes.formErr, question: asked.question };
  // A signature (TSIG) would have to be checked and made; nobody has a key for us.
  if (answers !== 0 || authorities !== 0 || additionals > 1) return formErr;
  const edns = additionals === 0 ? undefined : readEdns(message);
  if (edns === 'malformed') return formErr;
  return { id, recursionDesired: (flags & 0x0100) !== 0, checkingDisabled: (flags & 0x0010) !== 0, edns, ...asked };
}

export function isQuery(read: Query | UnreadableMessage): read is Query {
  return 'question' in read && !('drop' in read);
}

function words(message: Buffer): [number, number, number, number, number, number] {
  const word = (index: number): number => message.readUInt16BE(index * 2);
  return [word(0), word(1), word(2), word(3), word(4), word(5)];
}

/**
 * The library would read a pointer into the header as a name, and a label with a dot inside as two labels,
 * so that something else would be judged than what was asked.
 */
function readQuestion(message: Buffer): Pick<Query, 'name' | 'isHostName' | 'type' | 'class' | 'question'> | undefined {
  const labels: string[] = [];
  let offset = headerLength;
  let isHostName = true;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length > 63 || offset + length - headerLength > 254) return undefined;
    offset += 1;
    if (length === 0) break;
    const label = message.subarray(offset, offset + length).toString('latin1');
    isHostName &&= /^[A-Za-z0-9_-]+$/.test(label);
    labels.push(label.toLowerCase());
    offset += length;
  }
  if (offset + 4 > message.length) return undefined;
  return {
    name: labels.join('.'),
    isHostName,
    type: message.readUInt16BE(offset),
    class: message.readUInt16BE(offset + 2),
    question: Buffer.from(message.subarray(headerLength, offset + 4)),
  };
}

/** Options are read so that a malformed one is noticed, and passed on to nobody: they may tell who asks (RFC 7871). */
function readEdns(message: Buffer): Query['edns'] | 'malformed' {
  try {
    const [opt] = dnsPacket.decode(message).additionals ?? [];
    if (opt?.type !== 'OPT') return 'malformed';
    return { payload: opt.udpPayloadSize, version: opt.ednsVersion, dnssecOk: opt.flag_do };
  } catch {
    return 'malformed';
  }
}
