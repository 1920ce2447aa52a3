/**
 * Words for what of our tables may be lost, the same for an event of nft and for an element of ours: nft prints keys as we
 * write them, but for the leading zeros of numbers in hex.
 */

/** A chain: "inet egress_out". */
export function chainKey(family: string, chain: string): string {
  return `${family} ${chain}`;
}

/** An element of an attachment. */
export function elementKey(family: string, set: string, key: string): string {
  const parts = key.split(' . ').map((part) => part.replace(/^0x0*(?=.)/, '0x'));
  return `element ${family} ${set} ${parts.join(' . ')}`;
}

/** What a policy's sets list, or one of them. */
export function groupKey(id: string): string {
  return `group ${id}`;
}

/** Ranges that the layout itself lists. */
export const layoutKey = 'layout';
