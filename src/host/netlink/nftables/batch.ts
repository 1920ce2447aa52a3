/** Changes of rules as one transaction of nfnetlink (net/netfilter/nfnetlink.c, nf_tables_api.c). Pure. */
import {
  attribute,
  concat,
  decodeAttributes,
  encode,
  flag,
  readText,
  text,
  u8,
  type Attribute,
  type Request,
} from '../message.ts';
import { attributes, messages, numberOfFamily, subsystem } from './numbers.ts';

/** An element as the kernel has it. */
export interface WireElement {
  readonly key: Uint8Array;
  /** Of an interval in a concatenation: its last key. */
  readonly lastKey?: Uint8Array;
  /** Of an interval in another set: nothing from this key on is in it, until the next begins. */
  readonly isEnd?: boolean;
  /** Of a map. */
  readonly value?: Uint8Array;
  /** Of a verdict map: the chain to go to, or to jump to. */
  readonly verdict?: { readonly goto: string } | { readonly jump: string };
  /** Milliseconds until the kernel drops it by itself. */
  readonly timeout?: number;
  /** At most 127 bytes. */
  readonly comment?: string;
}

/** Adds elements to a set or map, or deletes them from it. */
export interface SetChange {
  readonly verb: 'add' | 'delete';
  /** "inet", "bridge". */
  readonly family: string;
  readonly table: string;
  readonly set: string;
  readonly elements: readonly WireElement[];
}

/** Removes the rules of a chain, a chain without rules that nothing leads to, or a set that no rule looks into. */
export interface Removal {
  readonly verb: 'remove';
  readonly family: string;
  readonly table: string;
  readonly kind: 'rules' | 'chain' | 'set';
  readonly name: string;
}

export type RulesetChange = SetChange | Removal;

/** Bytes of a transaction; its last change is acknowledged when all was committed, each error is told. */
export function encodeBatch(changes: readonly RulesetChange[]): Uint8Array {
  const requests = changes.flatMap((change) =>
    change.verb === 'remove' ? [removal(change)] : elementRequests(change),
  );
  return concat(
    [batchRequest(BATCH_BEGIN), ...requests, batchRequest(BATCH_END)].map((request, sequence) =>
      encode(sequence === requests.length ? { ...request, flags: request.flags | flag.ack } : request, sequence),
    ),
  );
}

/** Of linux/netfilter/nfnetlink.h. */
const BATCH_BEGIN = 16;
const BATCH_END = 17;

/** struct nfgenmsg: the subsystem is in network byte order. */
function batchRequest(type: number): Request {
  return { type, flags: 0, head: u8(0, 0, 0, subsystem), attributes: [] };
}

/** The list of a message is one attribute, whose length has 16 bits. */
const mostBytes = 60_000;

function removal({ family, table, kind, name }: Removal): Request {
  return {
    type: (subsystem << 8) | messages[kind === 'rules' ? 'rule' : kind].deleted,
    flags: 0,
    head: u8(numberOfFamily(family), 0, 0, 0),
    attributes: [
      attribute(attributes.table, text(table)),
      attribute(kind === 'chain' ? attributes.chainName : attributes.name, text(name)),
    ],
  };
}

function elementRequests({ verb, family, table, set, elements }: SetChange): Request[] {
  return inParts(elements.map(elementAttribute)).map((part) => ({
    type: (subsystem << 8) | (verb === 'add' ? messages.element.added : messages.element.deleted),
    flags: verb === 'add' ? flag.create : 0,
    head: u8(numberOfFamily(family), 0, 0, 0),
    attributes: [
      attribute(attributes.table, text(table)),
      attribute(attributes.name, text(set)),
      attribute(attributes.elements, part),
    ],
  }));
}

function inParts(elements: readonly Attribute[]): Attribute[][] {
  const parts: Attribute[][] = [];
  let room = 0;
  for (const element of elements) {
    const size = sizeOf(element);
    if (room < size) {
      parts.push([]);
      room = mostBytes;
    }
    parts.at(-1)?.push(element);
    room -= size;
  }
  return parts;
}

function sizeOf({ value }: Attribute): number {
  const content = value instanceof Uint8Array ? value.length : value.reduce((sum, one) => sum + sizeOf(one), 0);
  return 4 + ((content + 3) & ~3);
}

/** An element in the list of a message. */
export function elementAttribute({ key, lastKey, isEnd, value, verdict, timeout, comment }: WireElement): Attribute {
  return attribute(attributes.listElement, [
    ...(isEnd === true ? [attribute(attributes.elementFlags, bigEndian(INTERVAL_END, 4))] : []),
    attribute(attributes.elementKey, [attribute(attributes.dataValue, key)]),
    ...(lastKey === undefined
      ? []
      : [attribute(attributes.elementLastKey, [attribute(attributes.dataValue, lastKey)])]),
    ...(value === undefined ? [] : [attribute(attributes.elementData, [attribute(attributes.dataValue, value)])]),
    ...(verdict === undefined ? [] : [attribute(attributes.elementData, [encodeVerdict(verdict)])]),
    ...(timeout === undefined ? [] : [attribute(attributes.elementTimeout, bigEndian(BigInt(timeout), 8))]),
    ...(comment === undefined ? [] : [attribute(attributes.elementUserdata, commentData(comment))]),
  ]);
}

/** NFT_SET_ELEM_INTERVAL_END, NFT_JUMP and NFT_GOTO of linux/netfilter/nf_tables.h. */
const INTERVAL_END = 1n;
const NFT_JUMP = -3n;
const NFT_GOTO = -4n;

function encodeVerdict(verdict: NonNullable<WireElement['verdict']>): Attribute {
  const [code, chain] = 'goto' in verdict ? [NFT_GOTO, verdict.goto] : [NFT_JUMP, verdict.jump];
  return attribute(attributes.dataVerdict, [
    attribute(attributes.verdictCode, bigEndian(BigInt.asUintN(32, code), 4)),
    attribute(attributes.verdictChain, text(chain)),
  ]);
}

/** NFTNL_UDATA_SET_ELEM_COMMENT of libnftnl: type, length, text with its zero. The kernel only keeps it. */
const COMMENT = 0;

function commentData(comment: string): Uint8Array {
  const content = text(comment);
  return concat([u8(COMMENT, content.length), content]);
}

function bigEndian(value: bigint, size: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 8) view.setBigUint64(0, value);
  else view.setUint32(0, Number(value));
  return bytes;
}

/** What an attribute of a list holds of an element, without its comment; undefined for one without a key. */
export function readElement(bytes: Uint8Array): WireElement | undefined {
  const found = decodeAttributes(bytes);
  const valueIn = (kind: number): Uint8Array | undefined =>
    decodeAttributes(found.get(kind) ?? u8()).get(attributes.dataValue);
  const [key, lastKey] = [valueIn(attributes.elementKey), valueIn(attributes.elementLastKey)];
  if (key === undefined) return undefined;
  const data = decodeAttributes(found.get(attributes.elementData) ?? u8());
  const value = data.get(attributes.dataValue);
  const verdict = data.get(attributes.dataVerdict);
  const flags = found.get(attributes.elementFlags);
  return {
    key,
    ...(lastKey === undefined ? {} : { lastKey }),
    ...(flags === undefined || ((flags.at(-1) ?? 0) & Number(INTERVAL_END)) === 0 ? {} : { isEnd: true }),
    ...(value === undefined ? {} : { value }),
    ...(verdict === undefined ? {} : { verdict: readVerdict(verdict) }),
  };
}

/** A verdict that leads to no chain is none of ours: its chain is empty. */
function readVerdict(bytes: Uint8Array): NonNullable<WireElement['verdict']> {
  const found = decodeAttributes(bytes);
  const chain = readText(found.get(attributes.verdictChain) ?? u8());
  const code = found.get(attributes.verdictCode) ?? u8();
  return code.at(-1) === Number(BigInt.asUintN(8, NFT_JUMP)) ? { jump: chain } : { goto: chain };
}
