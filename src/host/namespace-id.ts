import { closeSync, openSync } from 'node:fs';
import { readNow } from './netlink/read.ts';
import { attribute, decodeAttributes, readNumber, u32 } from './netlink/message.ts';

/** Of linux/net_namespace.h and linux/rtnetlink.h. */
const RTM_GETNSID = 90;
const netnsa = { id: 1, descriptor: 3 } as const;

/**
 * The number by which this process's namespace knows another one, as links show it of their other ends. Undefined when
 * it has none, or where it cannot be asked for.
 */
export function idOfNamespace(path: string): number | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const read = readNow((conversation) =>
      conversation.read({
        type: RTM_GETNSID,
        flags: 0,
        // struct rtgenmsg, with its padding.
        head: new Uint8Array(4),
        attributes: [attribute(netnsa.descriptor, u32(file))],
      }),
    );
    const [answer] = read?.value ?? [];
    const value = answer && decodeAttributes(answer.payload.subarray(4)).get(netnsa.id);
    const id = value === undefined ? -1 : readNumber(value) | 0;
    return id < 0 ? undefined : id;
  } finally {
    closeSync(file);
  }
}
