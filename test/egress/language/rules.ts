import fc from 'fast-check';
import { intervalOf, prefixesOf } from '../../../src/egress/interval.ts';
import type { AddressRule, NameRule, PortRule } from '../../../src/egress/policy.ts';
import { formatAddress } from '../../../src/ip/address.ts';
import { addressOf } from '../../../src/ip/prefix.ts';

/** Few addresses and ports, so that rules meet and touch often. */
const networks = { 4: 0xcb007100n, 6: 0x20010db8000000000000000000000000n } as const;

export const aPort = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(53, 443, 65535));

const somePorts = fc.option(
  fc.tuple(aPort, aPort).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
  { nil: undefined },
);

const aPortRule: fc.Arbitrary<PortRule> = fc
  .tuple(fc.constantFrom('any', 'tcp', 'udp', 'sctp', 'icmp'), somePorts)
  .map(([protocol, ports]) => (ports === undefined || protocol === 'icmp' ? { protocol } : { protocol, ports }));

/** Rules for prefixes of up to 64 addresses in one small network of each family. */
export const someRules: fc.Arbitrary<AddressRule[]> = fc
  .array(
    fc.tuple(fc.constantFrom<4 | 6>(4, 6), fc.integer({ min: 0, max: 63 }), fc.integer({ min: 0, max: 6 }), aPortRule),
    { maxLength: 12 },
  )
  .map((parts) =>
    parts.map(([family, offset, free, ports], index): AddressRule => {
      const from = networks[family] + BigInt((offset >> free) << free);
      const [prefix = ''] = prefixesOf({ family, from, to: from + (1n << BigInt(free)) - 1n });
      return { family, prefix, ...ports, source: `rule ${index}` };
    }),
  );

export const someNames: fc.Arbitrary<NameRule[]> = fc
  .array(fc.tuple(fc.constantFrom('a.example.org', 'b.example.org', '*.example.org'), aPortRule), { maxLength: 4 })
  .map((parts) => parts.map(([name, ports], index): NameRule => ({ name, ...ports, source: `name ${index}` })));

/** An address in or next to those networks. */
export const anAddress = fc
  .tuple(fc.constantFrom<4 | 6>(4, 6), fc.integer({ min: 0, max: 66 }))
  .map(([family, offset]) => {
    const value = networks[family] + BigInt(offset);
    const [prefix = ''] = prefixesOf({ family, from: value, to: value });
    return addressOf(prefix);
  });

export const aProtocol = fc.constantFrom('tcp', 'udp', 'sctp', 'icmp', 'gre');

/**
 * Addresses at and next to the ends of the rule, and ports at and next to the ends of its ports: where folding goes
 * wrong.
 */
export function edgesOf({ prefix, ports }: AddressRule): { addresses: string[]; ports: number[] } {
  const { family, from, to } = intervalOf(prefix);
  return {
    addresses: [from - 1n, from, to, to + 1n].map((value) => formatAddress({ family, value })),
    ports:
      ports === undefined
        ? [0, 65535]
        : [ports.from - 1, ports.from, ports.to, ports.to + 1].filter((port) => port <= 65535),
  };
}

/** Whether a rule means a packet, said without any of the code under test but the reading of prefixes. */
export function means(rule: AddressRule, address: string, protocol: string, port: number): boolean {
  const { family, from, to } = intervalOf(rule.prefix);
  const wanted = intervalOf(address);
  if (family !== wanted.family || wanted.from < from || wanted.from > to) return false;
  if (rule.protocol === 'any' && rule.ports === undefined) return true;
  if (rule.protocol === 'icmp' || protocol === 'icmp') return rule.protocol === protocol;
  if (protocol === 'gre' || (rule.protocol !== 'any' && rule.protocol !== protocol)) return false;
  return rule.ports === undefined || (port >= rule.ports.from && port <= rule.ports.to);
}
