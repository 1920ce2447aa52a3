import { formatAddress } from '../ip/address.ts';
import { splitPrefix } from '../ip/prefix.ts';
import { intervalOf } from './interval.ts';

/**
 * The prefix of 6to4 (RFC 3056): the 32 bits behind it are the IPv4 address of a router, which has the 2^80 addresses
 * that begin so. What is sent to them may be sent to that router by IPv4, so a policy closes them as it closes it.
 * Nothing opens them by it: who allows a router's address need not mean the network behind.
 */
const sixToFour = intervalOf('2002::/16');

/** The prefix of the addresses behind those of an IPv4 prefix: "10.0.0.0/8" is "2002:a00::/24". */
export function behindSixToFour(prefix: string): string {
  const { from } = intervalOf(prefix);
  const length = Number(splitPrefix(prefix).length ?? 32);
  return `${formatAddress({ family: 6, value: sixToFour.from + (from << 80n) })}/${16 + length}`;
}

/** Rules that deny addresses, those of IPv4 also for what is behind the same addresses by 6to4. */
export function withSixToFour<Rule extends { readonly family: 4 | 6; readonly prefix: string }>(
  rules: readonly Rule[],
): Rule[] {
  return rules.flatMap((rule) =>
    rule.family === 4 ? [rule, { ...rule, family: 6, prefix: behindSixToFour(rule.prefix) }] : [rule],
  );
}
