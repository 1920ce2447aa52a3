import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { familyOf } from '../../ip/family.ts';
import { readResponse, type Response } from './read-response.ts';
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

/**
 * Asks one server by UDP, and by TCP when its answer does not fit. Resolves to an answer to this very
 * question; rejects when there is none within so many milliseconds, or the server takes no queries.
 */
export async function exchange(question: Question, server: ServerAddress, deadline: number): Promise<Response> {
  const ends = Date.now() + deadline;
  const response = await askByUdp(question, server, deadline, true);
  const left = Math.max(1, ends - Date.now());
  // FORMERR, NOTIMP: a server from before EDNS (RFC 6891, section 7).
  if (response.rcode === 1 || response.rcode === 4) return askByUdp(question, server, left, false);
  return response.isTruncated ? askByTcp(question, server, left) : response;
}

/** Parses "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" and "[2001:db8::1]:5353", as `dns.upstream` has them. */
export function parseServerAddress(text: string): ServerAddress {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[0-9.]+))(?::(?<port>[0-9]+))?$/.exec(text)?.groups;
  return { address: match?.['six'] ?? match?.['four'] ?? text, port: Number(match?.['port'] ?? 53) };
}

/**
 * A socket of its own, connected, for each query: the kernel then picks a port that cannot be guessed,
 * lets in packets of this server alone, and passes on that its port is closed.
 */
function askByUdp(question: Question, server: ServerAddress, deadline: number, edns: boolean): Promise<Response> {
  const { id, message } = writeQuery(question.name, question.type, { edns });
  return new Promise((resolve, reject) => {
    const socket = createSocket(familyOf(server.address) === 6 ? 'udp6' : 'udp4');
    const timer = setTimeout(() => end(() => reject(new Error(`it did not answer within ${deadline} ms`))), deadline);
    let isOver = false;
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (received) => {
      const response = matching(received, id, question);
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

function askByTcp(question: Question, server: ServerAddress, deadline: number): Promise<Response> {
  const { id, message } = writeQuery(question.name, question.type, { edns: true });
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port });
    const timer = setTimeout(() => fail(new Error(`it did not answer by TCP within ${deadline} ms`)), deadline);
    let received = Buffer.alloc(0);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('it closed the connection without an answer')));
    socket.on('connect', () =>
      socket.write(Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message])),
    );
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const response = matching(received.subarray(2, 2 + received.readUInt16BE(0)), id, question);
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

/** Undefined for what is not an answer to the question: somebody else's guess, or noise. The real one may follow. */
function matching(received: Buffer, id: number, { name, type }: Question): Response | undefined {
  try {
    if (received.length < 12 || received.readUInt16BE(0) !== id) return undefined;
    const response = readResponse(received);
    return response.name === name && response.type === type ? response : undefined;
  } catch {
    return undefined;
  }
}
