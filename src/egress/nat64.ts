/**
 * NAT64: a router makes IPv4 of what is sent to an address in one of its prefixes, and the IPv4 address that it leads
 * to is inside (RFC 6052). A policy judges that one. Which prefixes there are besides the well-known one says
 * `/etc/drawbridge/nat64` (load-nat64.ts).
 */
import { covers, type Interval } from './interval.ts';
import { loadNat64 } from './load-nat64.ts';
import { insideOf, leadingTo, nat64Text, wellKnownNat64, type Nat64Prefix } from './nat64-prefixes.ts';

const { prefixes: ownPrefixes, problem } = loadNat64();

/** Why the operator's file of prefixes cannot be used; then the well-known one alone holds. */
export const nat64Problem = problem;

/** The file that lists the operator's; empty for none. */
export const ownNat64 = nat64Text(ownPrefixes);

/** Every prefix that is known. */
export const nat64Prefixes: readonly Nat64Prefix[] = [wellKnownNat64, ...ownPrefixes];

/** The IPv4 addresses that a run of addresses leads to; undefined where it is not all within one of the prefixes. */
export function insideNat64(interval: Interval): Interval | undefined {
  const whole = nat64Prefixes.find((one) => covers(one, interval));
  return whole && insideOf(whole, interval);
}

/**
 * The prefix that an address is in although it is none of NAT64: bits 64 to 71 are set. A router may take no notice of
 * them, and so may lead it to an address that is closed.
 */
export function malformedNat64(address: Interval): Nat64Prefix | undefined {
  return octetPrefixes.find((one) => covers(one, address) && insideOf(one, address) === undefined);
}

/** Prefixes whose addresses have bits 64 to 71 behind them. */
export const octetPrefixes: readonly Nat64Prefix[] = nat64Prefixes.filter(({ length }) => length < 96);

/** Prefixes of addresses that lead to those of an IPv4 prefix: "10.0.0.0/8" is "64:ff9b::a00:0/104". */
export function behindNat64(prefix: string): string[] {
  return nat64Prefixes.map((one) => leadingTo(one, prefix));
}

/** Rules about addresses, those of IPv4 also for what leads to the same addresses by NAT64. */
export function withNat64<Rule extends { readonly family: 4 | 6; readonly prefix: string }>(
  rules: readonly Rule[],
): Rule[] {
  return rules.flatMap((rule) =>
    rule.family === 4
      ? [rule, ...behindNat64(rule.prefix).map((prefix) => ({ ...rule, family: 6 as const, prefix }))]
      : [rule],
  );
}
