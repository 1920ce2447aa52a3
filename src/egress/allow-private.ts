import { refusal, type Place } from './entry.ts';
import { insideNat64, nat64Prefixes } from './nat64.ts';
import { covers, intervalOf, overlaps, prefixesOf, subtract } from './interval.ts';
import { isNetworkSized, isPublicPrefix } from './on-link.ts';
import type { AddressRule } from './policy.ts';
import { bogonRanges, metadataIntervals, openableBogons, localPrefixes, rangesOf } from './ranges-reserved.ts';

/**
 * What an entry of `allowPrivate` opens.
 *
 * A link-local or metadata address opens only when it is written as a single address. A prefix that
 * has such addresses inside ("100.64.0.0/10" holds 100.100.100.200) opens everything but those, as
 * several rules with one source, and so does one that has a prefix of NAT64 inside. A public prefix opens what of it is
 * on a network of the host's (on-link.ts), which the file cannot know: so it may be no larger than such a network.
 * Refused are loopback, multicast, and other ranges that nothing behind a bridge can have.
 */
export function openedByPrivate(rule: AddressRule, place: Place): AddressRule[] {
  const wanted = intervalOf(rule.prefix);
  const quoted = rule.source.slice(rule.source.indexOf('"'));
  const single = wanted.from === wanted.to;
  const metadata = rangesOf('metadata').find(({ prefix }) => covers(intervalOf(prefix), wanted));
  if (metadata !== undefined) {
    if (single) return [rule];
    throw refusal(
      quoted,
      place,
      `it is ${metadata.about}, which opens by single addresses only`,
      'expected the one address that is needed',
    );
  }
  if (isPublicPrefix(rule.prefix) && isNetworkSized(rule.prefix)) return [rule];
  const allowed = [...localPrefixes, ...openableBogons];
  const inside = insideNat64(wanted);
  const isPrivate = [...allowed, ...rangesOf('private').map(({ prefix }) => prefix)].some((prefix) =>
    covers(intervalOf(prefix), inside ?? wanted),
  );
  if (!isPrivate) {
    const bogon = bogonRanges().find(({ prefix }) => overlaps(intervalOf(prefix), wanted));
    const what =
      inside !== undefined
        ? `it is NAT64, whose addresses are judged by the IPv4 address inside, and ${prefixesOf(inside).join(', ')} is not within a private range`
        : bogon === undefined
          ? 'it is not within a private range'
          : `it has addresses of ${bogon.prefix} in it, ${bogon.about}`;
    throw refusal(
      quoted,
      place,
      what,
      `expected a prefix within one of ${allowed.join(', ')}, or on a network of the host; other public destinations belong under "allow"`,
    );
  }
  if (single) return [rule];
  const others = nat64Prefixes.filter((one) => !covers(one, wanted));
  return subtract(wanted, [...metadataIntervals(), ...others])
    .flatMap(prefixesOf)
    .map((prefix) => ({ ...rule, prefix }));
}
