import { byStart, intervalOf, subtract, type Interval } from './interval.ts';
import type { AddressRule, PortRule } from './policy.ts';

/** A run of addresses that is open for every IP protocol. */
export interface OpenRange extends Interval {
  /** Words of the rules that it came from, in the order of the rules. */
  readonly sources: readonly string[];
}

/** A run of addresses that is open for a run of ports of one protocol. */
export interface OpenBox extends OpenRange {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Inclusive; 0-65535 stands for a rule without ports. */
  readonly ports: { readonly from: number; readonly to: number };
}

/** What a list of rules comes to. No two members of a list have an address (and port) in common. */
export interface FoldedRules {
  /** For every IP protocol: an interval set of addresses each family. */
  readonly ranges: readonly OpenRange[];
  /** Without what `ranges` has already: an interval set of address, protocol and port each family. */
  readonly boxes: readonly OpenBox[];
  /** For ICMP and ICMPv6, without what `ranges` has already. */
  readonly icmp: readonly OpenRange[];
}

/**
 * Folds rules into the fewest runs that mean the same and do not overlap: nft refuses a set with
 * overlapping intervals (firewalld#1344), and its auto-merge cannot be had together with timeouts
 * (mwan3#10) nor in concatenated sets.
 *
 * Order of the result: family, first address, protocol, first port.
 */
export function foldAddressRules(rules: readonly AddressRule[]): FoldedRules {
  const spans = rules.map((rule, place): Span => ({ ...intervalOf(rule.prefix), rule, place }));
  const ranges = foldRanges(spans.filter(({ rule }) => opensEverything(rule)));
  const rest = spans
    .filter(({ rule }) => !opensEverything(rule))
    .flatMap((span) => subtract(span, ranges).map((interval): Span => ({ ...span, ...interval })));
  const boxes = portProtocols.flatMap((protocol) =>
    foldBoxes(
      rest.filter(({ rule }) => rule.protocol === protocol || rule.protocol === 'any'),
      protocol,
    ),
  );
  return {
    ranges,
    boxes: boxes.toSorted(
      (a, b) =>
        a.family - b.family ||
        compare(a.from, b.from) ||
        compare(a.protocol, b.protocol) ||
        a.ports.from - b.ports.from,
    ),
    icmp: foldRanges(rest.filter(({ rule }) => rule.protocol === 'icmp')),
  };
}

/**
 * Folds ports, as of `hostPorts` or of one name: disjoint, in the order of protocol and port; "any" becomes tcp, udp
 * and sctp.
 */
export function foldPorts(
  rules: readonly PortRule[],
): { protocol: 'tcp' | 'udp' | 'sctp'; from: number; to: number }[] {
  return portProtocols.flatMap((protocol) =>
    mergePorts(rules.filter((rule) => rule.protocol === protocol || rule.protocol === 'any').map(portsOf)).map(
      (ports) => ({ protocol, ...ports }),
    ),
  );
}

const portProtocols = ['sctp', 'tcp', 'udp'] as const;

interface Span extends Interval {
  readonly rule: AddressRule;
  /** Of the rule in the list. */
  readonly place: number;
}

interface Ports {
  readonly from: number;
  readonly to: number;
}

function opensEverything(rule: PortRule): boolean {
  return rule.protocol === 'any' && rule.ports === undefined;
}

/** Merges what overlaps or touches. */
function foldRanges(spans: readonly Span[]): OpenRange[] {
  const merged: { family: 4 | 6; from: bigint; to: bigint; members: Span[] }[] = [];
  for (const span of spans.toSorted(byStart)) {
    const last = merged.at(-1);
    if (last !== undefined && last.family === span.family && span.from <= last.to + 1n) {
      if (span.to > last.to) last.to = span.to;
      last.members.push(span);
    } else {
      merged.push({ family: span.family, from: span.from, to: span.to, members: [span] });
    }
  }
  return merged.map(({ family, from, to, members }) => ({ family, from, to, sources: sourcesOf(members) }));
}

/**
 * Cuts the addresses where any rule starts or ends: between two cuts the open ports are the same
 * everywhere. Then joins neighbours whose ports are equal.
 */
function foldBoxes(spans: readonly Span[], protocol: OpenBox['protocol']): OpenBox[] {
  const strips: { interval: Interval; ports: Ports[]; members: Span[] }[] = [];
  for (const { interval, members } of cut(spans)) {
    const ports = mergePorts(members.map(({ rule }) => portsOf(rule)));
    const last = strips.at(-1);
    if (
      last !== undefined &&
      last.interval.family === interval.family &&
      last.interval.to + 1n === interval.from &&
      samePorts(last.ports, ports)
    ) {
      last.interval = { ...last.interval, to: interval.to };
      last.members.push(...members);
    } else {
      strips.push({ interval, ports, members });
    }
  }
  return strips.flatMap(({ interval, ports, members }) =>
    ports.map((run) => ({
      ...interval,
      protocol,
      ports: run,
      sources: sourcesOf(members.filter(({ rule }) => meets(portsOf(rule), run))),
    })),
  );
}

/**
 * The parts of the address space that spans cover, cut at every start and end, in ascending order, each with its spans.
 */
function cut(spans: readonly Span[]): { interval: Interval; members: Span[] }[] {
  return ([4, 6] as const).flatMap((family) => {
    const waiting = spans
      .filter((span) => span.family === family)
      .toSorted(byStart)
      .toReversed();
    const cuts = [...new Set(waiting.flatMap(({ from, to }) => [from, to + 1n]))].toSorted(compare);
    let members: Span[] = [];
    return cuts.flatMap((from, index) => {
      members = members.filter(({ to }) => to >= from);
      for (let next = waiting.at(-1); next?.from === from; next = waiting.at(-1)) members.push(...waiting.splice(-1));
      const end = cuts[index + 1];
      return end === undefined || members.length === 0
        ? []
        : [{ interval: { family, from, to: end - 1n }, members: [...members] }];
    });
  });
}

/** Merges runs of ports that overlap or touch. */
function mergePorts(runs: readonly Ports[]): Ports[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of runs.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

function portsOf({ ports }: PortRule): Ports {
  return ports ?? { from: 0, to: 65535 };
}

function samePorts(a: readonly Ports[], b: readonly Ports[]): boolean {
  return a.length === b.length && a.every((run, index) => run.from === b[index]?.from && run.to === b[index]?.to);
}

function meets(a: Ports, b: Ports): boolean {
  return a.from <= b.to && b.from <= a.to;
}

/** Each source once, in the order of the rules. */
function sourcesOf(members: readonly Span[]): string[] {
  return [...new Set(members.toSorted((a, b) => a.place - b.place).map(({ rule }) => rule.source))];
}

function compare<Value extends bigint | string>(a: Value, b: Value): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
