/** Bytes of route netlink (netlink(7), rtnetlink(7)), in the byte order of this machine. Pure. */

/** An attribute; `value` is what it holds, or the attributes nested in it. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array | readonly Attribute[];
}

/** One request to the kernel, without its header's length and number. */
export interface Request {
  readonly type: number;
  /** Besides NLM_F_REQUEST. */
  readonly flags: number;
  /** The fixed part: ifinfomsg, ifaddrmsg, rtmsg, ndmsg. */
  readonly head: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** One message of an answer. */
export interface Answer {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export const flag = { ack: 0x4, dump: 0x300, replace: 0x100, exclusive: 0x200, create: 0x400, append: 0x800 } as const;

/** Types of linux/rtnetlink.h and linux/netlink.h. */
export const type = {
  error: 2,
  done: 3,
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
} as const;

const headerLength = 16;
export const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function encode({ type: kind, flags, head, attributes }: Request, sequence: number): Uint8Array {
  const body = concat([padded(head), encodeAttributes(attributes)]);
  return concat([u32(headerLength + body.length), u16(kind), u16(flags | 0x1), u32(sequence), u32(0), body]);
}

/** Attributes as they stand in a message, or in another attribute behind something else. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return concat(attributes.map(encodeAttribute));
}

export function decode(bytes: Uint8Array): Answer[] {
  const answers: Answer[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + headerLength <= bytes.length;) {
    const length = view.getUint32(at, isLittleEndian);
    if (length < headerLength || at + length > bytes.length) break;
    answers.push({
      type: view.getUint16(at + 4, isLittleEndian),
      flags: view.getUint16(at + 6, isLittleEndian),
      sequence: view.getUint32(at + 8, isLittleEndian),
      payload: bytes.subarray(at + headerLength, at + length),
    });
    at += align(length);
  }
  return answers;
}

/** The attributes in `bytes`, by type. */
export function decodeAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, isLittleEndian);
    if (length < 4 || at + length > bytes.length) break;
    // The two highest bits say that it is nested, and in network byte order.
    found.set(view.getUint16(at + 2, isLittleEndian) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** What the attributes in `bytes` hold, all of one type, in their order. */
export function decodeList(bytes: Uint8Array): Uint8Array[] {
  const view = viewOf(bytes);
  const found: Uint8Array[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, isLittleEndian);
    if (length < 4 || at + length > bytes.length) break;
    found.push(bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

export function attribute(kind: number, value: Attribute['value']): Attribute {
  return { type: kind, value };
}

export function u8(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

export function u16(value: number): Uint8Array {
  return new Uint8Array(new Uint16Array([value]).buffer);
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/** Text with its zero. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A number of one, two or four bytes. */
export function readNumber(bytes: Uint8Array, at = 0, size = bytes.length): number {
  const view = viewOf(bytes);
  return size === 4
    ? view.getUint32(at, isLittleEndian)
    : size === 2
      ? view.getUint16(at, isLittleEndian)
      : view.getUint8(at);
}

export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

function encodeAttribute({ type: kind, value }: Attribute): Uint8Array {
  const isNested = !(value instanceof Uint8Array);
  const content = isNested ? encodeAttributes(value) : value;
  return padded(concat([u16(4 + content.length), u16(kind), content]));
}

function padded(bytes: Uint8Array): Uint8Array {
  const rest = align(bytes.length) - bytes.length;
  return rest === 0 ? bytes : concat([bytes, new Uint8Array(rest)]);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
