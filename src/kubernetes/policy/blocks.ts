import { byStart, intervalOf, nftInterval, subtract, type Interval } from '../../egress/interval.ts';
import type { BlockPeer } from './objects.ts';

/** Blocks without their exceptions, as disjoint intervals in the words of nft. Throws a RangeError for no prefix. */
export function mergeBlocks(blocks: readonly BlockPeer[]): string[] {
  const left = blocks.flatMap(({ cidr, except }) => subtract(intervalOf(cidr), except.map(intervalOf)));
  const merged: Interval[] = [];
  for (const next of left.toSorted(byStart)) {
    const last = merged.at(-1);
    if (last === undefined || last.family !== next.family || next.from > last.to + 1n) merged.push(next);
    else if (next.to > last.to) merged[merged.length - 1] = { ...last, to: next.to };
  }
  return merged.map(nftInterval);
}
