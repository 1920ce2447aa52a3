import { formatAddress } from '../ip/address.ts';
import { splitPrefix } from '../ip/prefix.ts';
import { covers, intervalOf, type Interval } from './interval.ts';

/**
 * The well-known prefix of NAT64 (RFC 6052): the last 32 bits of an address in it are the IPv4 address that it leads
 * to. A policy judges that one.
 */
export const nat64Prefix = '64:ff9b::/96';

const whole = intervalOf(nat64Prefix);

/** The IPv4 addresses that a run of addresses leads to; undefined where it is not all within the prefix. */
export function insideNat64(interval: Interval): Interval | undefined {
  if (!covers(whole, interval)) return undefined;
  return { family: 4, from: interval.from - whole.from, to: interval.to - whole.from };
}

/** The prefix of addresses that lead to those of an IPv4 prefix: "10.0.0.0/8" is "64:ff9b::a00:0/104". */
export function behindNat64(prefix: string): string {
  const { from } = intervalOf(prefix);
  const length = Number(splitPrefix(prefix).length ?? 32);
  return `${formatAddress({ family: 6, value: whole.from + from })}/${96 + length}`;
}

/** Rules about addresses, those of IPv4 also for what leads to the same addresses by NAT64. */
export function withNat64<Rule extends { readonly family: 4 | 6; readonly prefix: string }>(
  rules: readonly Rule[],
): Rule[] {
  return rules.flatMap((rule) =>
    rule.family === 4 ? [rule, { ...rule, family: 6, prefix: behindNat64(rule.prefix) }] : [rule],
  );
}
