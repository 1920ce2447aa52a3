import { readAnyAddress } from '../ip/address.ts';
import { covers, intervalOf, type Interval } from './interval.ts';
import { insideNat64 } from './nat64.ts';
import type { AddressRule, Policy, PortRule } from './policy.ts';
import { reservedRangeOf } from './ranges-reserved.ts';

/** What a container asks for, before any translation of ours. */
export interface Destination {
  readonly address: string;
  /** "tcp", "udp", "sctp", "icmp" (for ICMPv6 too), or the name of any other IP protocol. */
  readonly protocol: string;
  /** Only with tcp, udp and sctp. */
  readonly port?: number;
  /** Names that resolved to the address, in canonical form. */
  readonly names?: readonly string[];
  /** The name that is asked for, where one is known: `deny` may close it, whatever its addresses. */
  readonly askedName?: string;
}

/** A destination with its address as an interval of one. */
export interface DestinationInterval extends Destination {
  readonly interval: Interval;
  /** Of an address of NAT64: the IPv4 address that it leads to. */
  readonly inside?: Interval;
}

/**
 * Whether something else than a name opens an address to TCP at a port, of a policy whose order of judgement came to
 * its list: then nothing but names of `deny` is looked for in the first bytes.
 */
export function opensByAddress(
  { mode, allow: listed, allowPrivate, allowLocalNetworks }: AddressOpening,
  address: string,
  port: number,
): boolean {
  if (mode !== 'allowlist') return true;
  const parsed = readAnyAddress(address);
  if (parsed === undefined) return false;
  const asked: DestinationInterval = { address, protocol: 'tcp', port, ...intervalsOf(parsed) };
  if (firstMatch([...listed, ...allowPrivate], asked) !== undefined) return true;
  return allowLocalNetworks && reservedRangeOf(address)?.kind === 'private';
}

/** What of a policy opens addresses. */
export type AddressOpening = Pick<Policy, 'mode' | 'allow' | 'allowPrivate' | 'allowLocalNetworks'>;

/** The first of the rules that takes a destination in. */
export function firstMatch(rules: readonly AddressRule[], asked: DestinationInterval): AddressRule | undefined {
  const { interval, inside } = asked;
  return rules.find((rule) => {
    const own = intervalOf(rule.prefix);
    return takes(rule, asked) && (covers(own, interval) || (inside !== undefined && covers(own, inside)));
  });
}

export function intervalsOf({
  family,
  value,
}: {
  family: 4 | 6;
  value: bigint;
}): Pick<DestinationInterval, 'interval' | 'inside'> {
  const interval: Interval = { family, from: value, to: value };
  const inside = insideNat64(interval);
  return inside === undefined ? { interval } : { interval, inside };
}

/** Whether protocol and port of a rule take the destination in. */
export function takes({ protocol, ports }: PortRule, asked: DestinationInterval): boolean {
  if (protocol === 'any' && ports === undefined) return true;
  if (protocol !== 'any' && protocol !== asked.protocol) return false;
  if (protocol === 'icmp') return true;
  if (!['tcp', 'udp', 'sctp'].includes(asked.protocol)) return false;
  return ports === undefined || (asked.port !== undefined && ports.from <= asked.port && asked.port <= ports.to);
}
