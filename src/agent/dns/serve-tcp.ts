import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { familyOf } from '../../ip/family.ts';
import { Admission } from './admission.ts';
import type { Handle, Listener, ListenAddress } from './listener.ts';

/** Milliseconds that a connection may be silent for (RFC 7766, section 6.2.3). */
const idle = 10_000;
/** Queries of one connection under way at once; it is not read from meanwhile. */
const mostPipelined = 16;
const connections = { total: 512, perSource: 16 };
/** Bytes of answers that may wait for a client that does not read. */
const mostUnread = 64 * 1024;
/** Bytes; a query is far shorter. */
const longestMessage = 4096;

/** Takes queries by TCP on one address, several on a connection, answered as they are ready (RFC 7766). */
export async function serveTcp({ address, port }: ListenAddress, handle: Handle): Promise<Listener> {
  const admission = new Admission(connections);
  const open = new Set<Socket>();
  // A client may say that it has no more queries while it waits for answers.
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const source = socket.remoteAddress;
    socket.on('error', () => {});
    if (source === undefined || !admission.enter(source)) return void socket.destroy();
    open.add(socket);
    socket.on('close', () => {
      open.delete(socket);
      admission.leave(source);
    });
    serveConnection(socket, source, handle);
  });
  const listening = once(server, 'listening');
  server.listen({ host: address, port, exclusive: true, ...(familyOf(address) === 6 ? { ipv6Only: true } : {}) });
  await listening;
  server.on('error', () => {});
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function serveConnection(socket: Socket, source: string, handle: Handle): void {
  let received: Buffer = Buffer.alloc(0);
  let underWay = 0;
  let isEnded = false;
  socket.setTimeout(idle, () => socket.destroy());
  socket.on('drain', takeQueries);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    takeQueries();
  });
  socket.on('end', () => {
    isEnded = true;
    if (underWay === 0) socket.end();
  });

  function takeQueries(): void {
    while (underWay < mostPipelined && received.length >= 2 && socket.writableLength < mostUnread) {
      const length = received.readUInt16BE(0);
      if (length > longestMessage) return void socket.destroy();
      if (received.length < 2 + length) break;
      const message = received.subarray(2, 2 + length);
      received = Buffer.from(received.subarray(2 + length));
      underWay += 1;
      void handle(message, source, 'tcp').then(finish);
    }
    // What has come already stays; the kernel holds back the rest.
    if (underWay === mostPipelined || socket.writableLength >= mostUnread) socket.pause();
    else socket.resume();
  }

  function finish(answer: Buffer | undefined): void {
    underWay -= 1;
    if (socket.destroyed) return;
    if (answer === undefined) return void socket.destroy();
    socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 0xff]), answer]));
    takeQueries();
    if (isEnded && underWay === 0) socket.end();
  }
}
