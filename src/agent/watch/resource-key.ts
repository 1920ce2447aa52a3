/** Words for what of our tables may be lost, the same for a change that the kernel tells of and for what is ours. */

/** A chain: "inet egress_out". */
export function chainKey(family: string, chain: string): string {
  return `${family} ${chain}`;
}

/** An element of an attachment, by the bytes of its key. */
export function elementKey(family: string, set: string, key: Uint8Array): string {
  return `element ${family} ${set} ${Buffer.from(key).toString('hex')}`;
}

/** What a policy's sets list, or one of them. */
export function groupKey(id: string): string {
  return `group ${id}`;
}

/** Ranges that the layout itself lists. */
export const layoutKey = 'layout';
