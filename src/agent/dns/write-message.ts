import { randomInt } from 'node:crypto';
import { nameBytes } from './codec.ts';
import type { Query } from './read-query.ts';
import type { ResourceRecord } from './read-response.ts';
import { recordTypes } from './record-types.ts';

/**
 * What fits into one packet on every path (RFC 9715; DNS Flag Day 2020): what we say that we take, and the
 * most that we send by UDP whatever the client says.
 */
const udpPayload = 1232;

export interface Answer {
  readonly rcode: number;
  readonly answers?: readonly ResourceRecord[];
  readonly authorities?: readonly ResourceRecord[];
  /** An Extended DNS Error (RFC 8914), sent to clients that speak EDNS. */
  readonly error?: { readonly code: number; readonly text: string };
}

const rdFlag = 0x0100;
const raFlag = 0x0080;
const tcFlag = 0x0200;
const cdFlag = 0x0010;
const doFlag = 0x8000;

/**
 * Writes the answer to a query, at most `limit` bytes long. Names are compressed: 29 addresses fit into the 512
 * bytes of a client without EDNS.
 *
 * What does not fit is left out and TC says so. What fits stays in: musl before 1.2.4 takes it and never
 * asks by TCP. `written` tells how many of the answers are in.
 */
export function writeAnswer(query: Query, answer: Answer, limit: number): { message: Buffer; written: number } {
  const opt = query.edns === undefined ? Buffer.alloc(0) : optRecord(answer, query.edns.dnssecOk);
  const room = limit - 12 - query.question.length - opt.length;
  const names = new Offsets(query);
  const answers = writeRecords(answer.answers ?? [], room, 12 + query.question.length, names);
  const rest = room - answers.bytes.length;
  const isTruncated = answers.count < (answer.answers?.length ?? 0);
  const authorities = writeRecords(
    isTruncated ? [] : (answer.authorities ?? []),
    rest,
    limit - rest - opt.length,
    names,
  );
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(
    0x8000 |
      (query.recursionDesired ? rdFlag : 0) |
      raFlag |
      (query.checkingDisabled ? cdFlag : 0) |
      (isTruncated ? tcFlag : 0) |
      (answer.rcode & 0xf),
    2,
  );
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.count, 6);
  header.writeUInt16BE(authorities.count, 8);
  header.writeUInt16BE(opt.length === 0 ? 0 : 1, 10);
  return {
    message: Buffer.concat([header, query.question, answers.bytes, authorities.bytes, opt]),
    written: answers.count,
  };
}

/** An answer to a message of which nothing is known but its id and, with luck, its question. */
export function writeRefusal(id: number, rcode: number, question: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x8000 | raFlag | (rcode & 0xf), 2);
  header.writeUInt16BE(question.length === 0 ? 0 : 1, 4);
  return Buffer.concat([header, question]);
}

/**
 * Writes a query with an id that cannot be guessed, and EDNS without options: who asks is nobody's resource.
 */
export function writeQuery(name: string, type: number, { edns }: { edns: boolean }): { id: number; message: Buffer } {
  const id = randomInt(0x10000);
  const header = Buffer.from([id >> 8, id & 0xff, rdFlag >> 8, 0, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0]);
  const question = Buffer.concat([nameBytes(name), Buffer.from([type >> 8, type & 0xff, 0, 1])]);
  return { id, message: Buffer.concat([header, question, ...(edns ? [optRecord({ rcode: 0 }, false)] : [])]) };
}

/** Most bytes of an answer that a client takes by UDP. */
export function udpLimit({ edns }: Query): number {
  return edns === undefined ? 512 : Math.min(Math.max(edns.payload, 512), udpPayload);
}

function writeRecords(
  records: readonly ResourceRecord[],
  room: number,
  start: number,
  names: Offsets,
): { bytes: Buffer; count: number } {
  const parts: Buffer[] = [];
  let length = 0;
  let count = 0;
  for (const record of records) {
    const owner = names.write(record.name, start + length);
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(record.type, 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(record.ttl, 4);
    fixed.writeUInt16BE(record.rdata.length, 8);
    const size = owner.length + 10 + record.rdata.length;
    if (length + size > room) break;
    if (record.target !== undefined) names.learn(record.target, start + length + owner.length + 10);
    parts.push(owner, fixed, record.rdata);
    length += size;
    count += 1;
  }
  return { bytes: Buffer.concat(parts), count };
}

/** Where names, and what is left of them after their first labels, stand in the message. */
class Offsets {
  readonly #offsets = new Map<string, number>();

  constructor({ name, isHostName }: Query) {
    if (isHostName) this.learn(name, 12);
  }

  learn(name: string, offset: number): void {
    let at = offset;
    for (let rest = name.toLowerCase(); rest !== ''; rest = rest.slice(rest.indexOf('.') + 1)) {
      if (at < 0x4000 && !this.#offsets.has(rest)) this.#offsets.set(rest, at);
      const dot = rest.indexOf('.');
      if (dot === -1) return;
      at += Buffer.byteLength(rest.slice(0, dot)) + 1;
    }
  }

  write(name: string, offset: number): Buffer {
    const known = this.#offsets.get(name.toLowerCase());
    if (known !== undefined) return Buffer.from([0xc0 | (known >> 8), known & 0xff]);
    this.learn(name, offset);
    return nameBytes(name);
  }
}

/** DO is given back as it came (RFC 3225, section 3), though no signatures are. */
function optRecord({ rcode, error }: Answer, dnssecOk: boolean): Buffer {
  const text = Buffer.from(error?.text ?? '').subarray(0, 200);
  const option = Buffer.alloc(error === undefined ? 0 : 6);
  if (error !== undefined) {
    option.writeUInt16BE(15, 0);
    option.writeUInt16BE(2 + text.length, 2);
    option.writeUInt16BE(error.code, 4);
  }
  const fixed = Buffer.alloc(11);
  fixed.writeUInt16BE(recordTypes.OPT, 1);
  fixed.writeUInt16BE(udpPayload, 3);
  fixed.writeUInt8(rcode >> 4, 5);
  fixed.writeUInt16BE(dnssecOk ? doFlag : 0, 7);
  fixed.writeUInt16BE(option.length + text.length, 9);
  return Buffer.concat([fixed, option, text]);
}
