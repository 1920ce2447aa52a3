/** Numbers of linux/rtnetlink.h and linux/pkt_sched.h, for queues and filters. */

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export const tcType = { newQueue: 36, deleteQueue: 37, newFilter: 44, deleteFilter: 45, getFilter: 46 } as const;

/** What a queue or a filter hangs on; the first is that of "ingress" and of "clsact" alike. */
export const parent = { beforeAll: 0xfffffff1, ingress: 0xfffffff2, egress: 0xfffffff3, root: 0xffffffff } as const;

/** The name of a queue for filters alone. */
export const filterQueueHandle = 0xffff0000;

export const tca = { kind: 1, options: 2 } as const;

/** Preference and protocol of struct tcmsg, for packets of every protocol (ETH_P_ALL, in network byte order). */
export function everyProtocolAt(preference: number): number {
  return ((preference << 16) | (isLittleEndian ? 0x0300 : 0x0003)) >>> 0;
}
