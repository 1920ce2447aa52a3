/**
 * Words for what of ours may be lost, the same for a change that the kernel tells of and for what a repair looks at.
 */

/** A chain: "inet egress_out". */
export function chainKey(family: string, chain: string): string {
  return `${family} ${chain}`;
}

/** An element of an attachment, by the bytes of its key. */
export function elementKey(family: string, set: string, key: Uint8Array): string {
  return `element ${family} ${set} ${Buffer.from(key).toString('hex')}`;
}

/** What a policy's sets list, by the policy's id or by the name of the set that stands for it. */
export function groupKey(id: string): string {
  return `group ${id}`;
}

/** Ranges that the layout itself lists. */
export const layoutKey = 'layout';

/** What of the links may be lost, besides the interfaces, whose names are their keys. */
export const gatesKey = ':gates';
export const forwardingKey = ':forwarding';
