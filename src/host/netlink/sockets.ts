/** Sockets as sock_diag(7) tells them. */
import { addressText } from '../../ip/bytes.ts';
import type { Conversation } from './conversation.ts';
import { concat, flag, readNumber, u32, u8 } from './message.ts';

/** A socket that waits for what comes to a port. */
export interface WaitingSocket {
  readonly port: number;
  /** Where it listens: "0.0.0.0" and "::" are every address. */
  readonly address: string;
  /** As in /proc/PID/fd. */
  readonly inode: string;
}

const SOCK_DIAG_BY_FAMILY = 20;
const families = { 4: 2, 6: 10 } as const;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
/** States of include/net/tcp_states.h as bits: LISTEN; CLOSE, in which a bound UDP socket is. */
const states = { tcp: 1 << 10, udp: 1 << 7 } as const;

/** Those of one protocol and family. Throws `Refused` where the kernel has no such listing. */
export function readListeners(
  conversation: Conversation,
  { protocol, family }: { readonly protocol: 'tcp' | 'udp'; readonly family: 4 | 6 },
): WaitingSocket[] {
  const number = protocol === 'tcp' ? IPPROTO_TCP : IPPROTO_UDP;
  // struct inet_diag_req_v2; the socket's addresses stay open.
  const head = concat([u8(families[family], number, 0, 0), u32(states[protocol]), new Uint8Array(48)]);
  return conversation
    .read({ type: SOCK_DIAG_BY_FAMILY, flags: flag.dump, head, attributes: [] })
    .map(({ payload }) => ({
      // struct inet_diag_msg: the port is in network byte order, the inode is its last field.
      port: readNumber(payload, 4, 1) * 256 + readNumber(payload, 5, 1),
      address: addressText(payload.subarray(8, family === 4 ? 12 : 24)),
      inode: String(readNumber(payload, 68, 4)),
    }));
}
