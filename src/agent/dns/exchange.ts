import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { familyOf } from '../../ip/family.ts';
import { isBareRefusal, readResponse, type Response } from './read-response.ts';
import { rcodes } from './record-types.ts';
import { writeQuery } from './write-message.ts';

/** An address that DNS is asked at. */
export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

export interface Question {
  readonly name: string;
  readonly type: number;
}

/** How a server is asked. */
export interface ExchangeOptions {
  /** Milliseconds for all of it. */
  readonly deadline: number;
  /** False for a server that is known not to speak EDNS (RFC 6891). */
  readonly edns: boolean;
}

/** An answer, and what it showed of the server. */
export interface Exchange {
  /** Never a truncated one. */
  readonly response: Response;
  /** "refused": it rejects queries with EDNS. "silent": it answered the query without EDNS, and so far no other. */
  readonly edns: 'answered' | 'refused' | 'silent' | 'unasked';
}

/**
 * Asks one server by UDP, and by TCP when its answer does not fit, whichever query it answers. Resolves to an answer to
 * this very question; rejects when there is none within the deadline, or the server takes no queries.
 *
 * Servers from before EDNS say FORMERR or NOTIMP, some as a bare header, or say nothing (RFC 6891, section 7): they are
 * asked again without it, the silent ones after a third of the time.
 */
export async function exchange(question: Question, server: ServerAddress, how: ExchangeOptions): Promise<Exchange> {
  const ends = performance.now() + how.deadline;
  const left = (): number => Math.max(1, ends - performance.now());
  const { response, edns } = how.edns
    ? await askWithEdns(question, server, how.deadline)
    : { response: await askByUdp(question, server, { deadline: how.deadline, edns: false }), edns: 'unasked' as const };
  if (!response.isTruncated) return { response, edns };
  const byTcp = await askByTcp(question, server, { deadline: left(), edns: edns === 'answered' });
  if (!rejectsEdns(byTcp) || edns !== 'answered') return { response: byTcp, edns };
  return { response: await askByTcp(question, server, { deadline: left(), edns: false }), edns: 'refused' };
}

/** Parses "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" and "[2001:db8::1]:5353", as `dns.upstream` has them. */
export function parseServerAddress(text: string): ServerAddress {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[0-9.]+))(?::(?<port>[0-9]+))?$/.exec(text)?.groups;
  return { address: match?.['six'] ?? match?.['four'] ?? text, port: Number(match?.['port'] ?? 53) };
}

/** The first answer of two queries: one with EDNS, and when that is rejected or unanswered for long, one without. */
async function askWithEdns(question: Question, server: ServerAddress, deadline: number): Promise<Exchange> {
  const ends = performance.now() + deadline;
  const patience = deadline / 3;
  const abort = new AbortController();
  const { signal } = abort;
  const first = askByUdp(question, server, { deadline, edns: true, signal });
  // The code below hears of a rejection. When it no longer waits, nobody has to hear of it.
  first.catch(() => {});
  try {
    const early = await Promise.race([first, pause(patience, signal)]);
    if (early !== undefined && !rejectsEdns(early)) return { response: early, edns: 'answered' };
    const without = askByUdp(question, server, {
      deadline: Math.max(1, ends - performance.now()),
      edns: false,
      signal,
    });
    if (early !== undefined) return { response: await without, edns: 'refused' };
    const late = first.then(async (response): Promise<Exchange> =>
      rejectsEdns(response) ? { response: await without, edns: 'refused' } : { response, edns: 'answered' },
    );
    return await Promise.any([late, without.then((response): Exchange => ({ response, edns: 'silent' }))]);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    abort.abort();
  }
}

function rejectsEdns({ rcode }: Response): boolean {
  return rcode === rcodes.formErr || rcode === rcodes.notImp;
}

/** Resolves to nothing after so many milliseconds; the signal ends the timer. */
function pause(milliseconds: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds, undefined);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}

interface AskOptions extends ExchangeOptions {
  /** Ends the waiting, without an answer. */
  readonly signal?: AbortSignal;
}

/**
 * A socket of its own, connected, for each query: the kernel then picks a port that cannot be guessed,
 * lets in packets of this server alone, and passes on that its port is closed.
 */
function askByUdp(
  question: Question,
  server: ServerAddress,
  { deadline, edns, signal }: AskOptions,
): Promise<Response> {
  const { id, message } = writeQuery(question.name, question.type, { edns });
  return new Promise((resolve, reject) => {
    const socket = createSocket(familyOf(server.address) === 6 ? 'udp6' : 'udp4');
    const late = `it did not answer within ${Math.round(deadline)} ms`;
    const timer = setTimeout(() => end(() => reject(new Error(late))), deadline);
    let isOver = false;
    signal?.addEventListener('abort', () => end(() => reject(new Error('nobody waits any more'))), { once: true });
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (received) => {
      const response = matching(received, id, question, edns);
      if (response !== undefined) end(() => resolve(response));
    });
    socket.connect(server.port, server.address, () => {
      if (!isOver) socket.send(message, (error) => error && end(() => reject(error)));
    });

    function end(settle: () => void): void {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      socket.close();
      settle();
    }
  });
}

function askByTcp(question: Question, server: ServerAddress, { deadline, edns }: ExchangeOptions): Promise<Response> {
  const { id, message } = writeQuery(question.name, question.type, { edns });
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port });
    const late = `it did not answer by TCP within ${Math.round(deadline)} ms`;
    const timer = setTimeout(() => fail(new Error(late)), deadline);
    let received = Buffer.alloc(0);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('it closed the connection without an answer')));
    socket.on('connect', () =>
      socket.write(Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message])),
    );
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const response = matching(received.subarray(2, 2 + received.readUInt16BE(0)), id, question, edns);
      if (response === undefined || response.isTruncated) return fail(new Error('its answer by TCP is not one'));
      clearTimeout(timer);
      resolve(response);
      socket.destroy();
    });

    function fail(error: Error): void {
      clearTimeout(timer);
      reject(error);
      socket.destroy();
    }
  });
}

/**
 * Undefined for what is not an answer to the question: somebody else's guess, or noise. The real one may follow. A bare
 * header that rejects a query with EDNS passes: it opens nothing, and the next query is checked like any.
 */
function matching(received: Buffer, id: number, { name, type }: Question, edns: boolean): Response | undefined {
  try {
    if (received.length < 12 || received.readUInt16BE(0) !== id) return undefined;
    if (edns && isBareRefusal(received))
      return { id, isTruncated: false, rcode: rcodes.formErr, name, type, answers: [] };
    const response = readResponse(received);
    return response.name === name && response.type === type ? response : undefined;
  } catch {
    return undefined;
  }
}
