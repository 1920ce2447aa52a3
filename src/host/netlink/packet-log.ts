/** The kernel's packet log (linux/netfilter/nfnetlink_log.h): what rules with "log group" tell. */
import { readPacketHead, type PacketHead } from '../../ip/packet.ts';
import { protocols } from './libc.ts';
import { attribute, concat, decodeAttributes, readText, u8, type Answer, type Request } from './message.ts';
import type { Subscription } from './subscribe.ts';

/** A packet that a rule told of. */
export interface LoggedPacket extends PacketHead {
  /** Whether it was for the host itself; else it was to be forwarded, or bridged. */
  readonly isForHost: boolean;
  /** The word of the rule; empty where it has none. */
  readonly prefix: string;
  /** Index of the interface that it came in by. */
  readonly inputIndex: number;
}

/** Message types of subsystem 4 (NFNL_SUBSYS_ULOG). */
const packetMessage = 4 << 8;
const configMessage = (4 << 8) | 1;
const config = { command: 1, mode: 2, bufferSize: 3, timeout: 4, threshold: 5 } as const;
const NFULNL_CFG_CMD_BIND = 1;
const NFULNL_COPY_PACKET = 2;
const NFPROTO_UNSPEC = 0;
const NF_INET_LOCAL_IN = 1;
const nfula = { header: 1, input: 4, payload: 9, prefix: 10 } as const;

/** Bytes that the kernel gathers before it tells; and in hundredths of a second, how long it waits for more. */
const gathered = 32 * 1024;
const longestWait = 10;
const mostTogether = 128;

/** Everything of one group. Another process that has the group is EBUSY. */
export function packetLog(group: number): Subscription {
  const request = (kind: number, value: Uint8Array): Request => ({
    type: configMessage,
    flags: 0,
    // struct nfgenmsg: the group is in network byte order.
    head: u8(NFPROTO_UNSPEC, 0, group >> 8, group & 255),
    attributes: [attribute(kind, value)],
  });
  return {
    protocol: protocols.netfilter,
    groups: [],
    isLossy: true,
    setup: [
      request(config.command, u8(NFULNL_CFG_CMD_BIND)),
      // struct nfulnl_msg_config_mode: rules say how much of a packet is told.
      request(config.mode, concat([bigEndian(0xffff), u8(NFULNL_COPY_PACKET, 0)])),
      request(config.bufferSize, bigEndian(gathered)),
      request(config.timeout, bigEndian(longestWait)),
      request(config.threshold, bigEndian(mostTogether)),
    ],
  };
}

/** Undefined for other messages, and for packets that are not read (ip/packet.ts). */
export function readLoggedPacket({ type, payload }: Answer): LoggedPacket | undefined {
  if (type !== packetMessage) return undefined;
  const attributes = decodeAttributes(payload.subarray(4));
  const [header, bytes] = [attributes.get(nfula.header), attributes.get(nfula.payload)];
  if (header === undefined || bytes === undefined) return undefined;
  // struct nfulnl_msg_packet_hdr
  const head = readPacketHead((header[0] ?? 0) * 256 + (header[1] ?? 0), bytes);
  if (head === undefined) return undefined;
  const [prefix, input] = [attributes.get(nfula.prefix), attributes.get(nfula.input)];
  return {
    ...head,
    isForHost: header[2] === NF_INET_LOCAL_IN,
    prefix: prefix === undefined ? '' : readText(prefix),
    inputIndex: input === undefined ? 0 : new DataView(input.buffer, input.byteOffset).getUint32(0),
  };
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
