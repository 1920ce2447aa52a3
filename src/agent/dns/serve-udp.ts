import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { familyOf } from '../../ip/family.ts';
import type { Handle, Listener, ListenAddress } from './listener.ts';

/**
 * Takes queries by UDP on one address. The socket is bound to it, so that answers leave from the address that
 * was asked, and the redirection of whatever server the container named is undone on the way back.
 */
export async function serveUdp({ address, port }: ListenAddress, handle: Handle): Promise<Listener> {
  const isSix = familyOf(address) === 6;
  const socket = createSocket({ type: isSix ? 'udp6' : 'udp4', ...(isSix ? { ipv6Only: true } : {}) });
  const bound = once(socket, 'listening');
  socket.bind({ address, port, exclusive: true });
  await bound;
  socket.on('message', (message, peer) => {
    void handle(message, peer.address, 'udp').then((answer) => {
      if (answer !== undefined) send(answer, peer);
    });
  });
  // An error of an earlier answer (no route to a container that is gone) is nobody's here.
  socket.on('error', () => {});
  return { port: socket.address().port, close: () => new Promise((resolve) => socket.close(() => resolve())) };

  function send(answer: Buffer, peer: { address: string; port: number }): void {
    try {
      socket.send(answer, peer.port, peer.address, () => {});
    } catch {
      // The socket was closed meanwhile.
    }
  }
}
