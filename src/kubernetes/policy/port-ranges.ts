import type { Protocol } from './objects.ts';

/** Ports of one protocol, both ends included. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

/** The same ports as disjoint ranges, by protocol and then ascending. */
export function mergePorts(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const next of ranges.toSorted(byProtocolAndPort)) {
    const last = merged.at(-1);
    if (last === undefined || last.protocol !== next.protocol || next.from > last.to + 1) merged.push(next);
    else if (next.to > last.to) merged[merged.length - 1] = { ...last, to: next.to };
  }
  return merged;
}

function byProtocolAndPort(one: PortRange, other: PortRange): number {
  if (one.protocol !== other.protocol) return one.protocol < other.protocol ? -1 : 1;
  return one.from - other.from;
}
