import type { Part } from '../nft/element.ts';
import type { DataType } from '../nft/data.ts';
import type { ChainDeclaration, SetDeclaration } from '../nft/declaration.ts';
import { checksOpening } from './checked-names.ts';
import { nftInterval } from './interval.ts';
import { withNat64 } from './nat64.ts';
import { foldAddressRules } from './normalise.ts';
import type { AddressRule, NameRule, Policy, PortRule } from './policy.ts';
import { grantSet, namesSet } from './policy-names.ts';

const hasPort = 'meta l4proto { tcp, udp, sctp }';
const families = [4, 6] as const;
const table = 'inet drawbridge';

/** The beginning of a rule of one family, with a space behind it; empty for none. */
export type Condition = (family: 4 | 6) => string;

const always: Condition = () => '';

/** What rules about names are made of. */
export interface NamesDraft {
  /** Of the policy. */
  readonly id: string;
  readonly policy: Policy;
  readonly allow: string;
  readonly when?: Condition;
}

/** Collects what is declared. */
export class Draft {
  readonly sets: SetDeclaration[] = [];
  readonly chains: ChainDeclaration[] = [];

  /**
   * Declares the sets of a list and returns the rules that give `verdict` to what is in them, under a condition where
   * there is one.
   */
  lists(name: string, rules: readonly AddressRule[], verdict: string, when: Condition = always): string[] {
    const { ranges, boxes, icmp } = foldAddressRules(withNat64(rules));
    return families.flatMap((family) => {
      const isOurs = (run: { readonly family: 4 | 6 }): boolean => run.family === family;
      const base = `${name}${family}`;
      const destination = asked(family);
      const address = addressType(family);
      const boxTexts = boxes.filter(isOurs).map((box) => [nftInterval(box), box.protocol, rangeText(box.ports)]);
      return [
        ...this.#listed(
          base,
          [address],
          ranges.filter(isOurs).map((range) => [nftInterval(range)]),
          `${when(family)}${destination} @${base} ${verdict}`,
        ),
        ...this.#listed(
          `${base}_icmp`,
          [address],
          icmp.filter(isOurs).map((range) => [nftInterval(range)]),
          `${when(family)}meta l4proto ${icmpOf(family)} ${destination} @${base}_icmp ${verdict}`,
        ),
        ...this.#listed(
          `${base}_ports`,
          [address, 'inet_proto', 'inet_service'],
          boxTexts,
          `${when(family)}${hasPort} ${destination} . meta l4proto . ct original proto-dst @${base}_ports ${verdict}`,
        ),
      ];
    });
  }

  /** As {@link lists}, of the addresses of names, in a set for each protocol and ports. */
  names({ id, policy, allow, when = always }: NamesDraft, rules: readonly NameRule[]): string[] {
    const kinds = new Map(rules.map((rule) => [namesSet(id, 4, rule), rule]));
    const isChecked = (rule: NameRule): boolean => checksOpening(policy) && rule.unchecked !== true;
    return [...kinds]
      .toSorted(([a, one], [b, other]) => Number(isChecked(one)) - Number(isChecked(other)) || (a < b ? -1 : 1))
      .flatMap(([, rule]) =>
        families.flatMap((family) => {
          const name = namesSet(id, family, rule);
          this.sets.push({
            table,
            name,
            key: [addressType(family)],
            flags: ['timeout'],
            size: 65_536,
            filledBy: 'expiring',
            about: `addresses of names: ${rule.protocol}${portText(rule)}`,
          });
          const found = `${asked(family)} @${name}${portText(rule)}`;
          const texts = isChecked(rule)
            ? checkedRules(rule, family, found, policy)
            : protocolTexts(rule, family).map((protocol) => `${protocol}${found} ${allow}`);
          return texts.map((text) => `${when(family)}${text}`);
        }),
      );
  }

  /** Declares the sets in which the container stands while a grant lasts, and returns the condition that it does. */
  lasting(id: string, grant: string): Condition {
    for (const family of families)
      this.sets.push({
        table,
        name: grantSet(id, family, grant),
        key: [addressType(family)],
        flags: ['timeout'],
        filledBy: 'expiring',
        about: 'the container that something is granted to, for as long as that is',
      });
    return (family) => `ct original ${family === 4 ? 'ip' : 'ip6'} saddr @${grantSet(id, family, grant)} `;
  }

  set(name: string, key: readonly DataType[], elements: readonly (readonly Part[])[]): void {
    this.sets.push({ table, name, key, flags: ['interval'], elements, filledBy: 'constant', about: 'a list' });
  }

  chain(name: string, rules: readonly string[]): void {
    this.chains.push({ table, name, rules });
  }

  #listed(name: string, key: readonly DataType[], elements: readonly (readonly Part[])[], rule: string): string[] {
    if (elements.length === 0) return [];
    this.set(name, key, elements);
    return [rule];
  }
}

/** The destination that the container asked for, whatever was made of it on the way. */
export function asked(family: 4 | 6): string {
  return family === 4 ? 'ct original ip daddr' : 'ct original ip6 daddr';
}

/** nft knows these two itself, and "ipv6-icmp" from /etc/protocols, which a host or an image may lack. */
export function icmpOf(family: 4 | 6): string {
  return family === 4 ? 'icmp' : 'icmpv6';
}

function addressType(family: 4 | 6): DataType {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr';
}

/**
 * One text per rule that is needed to match the protocol: "ct original proto-dst" is typed by the one that is named
 * before it.
 */
function protocolTexts({ protocol, ports }: PortRule, family: 4 | 6): string[] {
  if (protocol === 'icmp') return [`meta l4proto ${icmpOf(family)} `];
  if (protocol !== 'any') return [`meta l4proto ${protocol} `];
  return ports === undefined ? [''] : ['tcp', 'udp', 'sctp'].map((one) => `meta l4proto ${one} `);
}

/**
 * What a name opens whose connections are looked into: TCP, when its first bytes were, and ICMP. What shows no name is
 * left to the rule behind, which denies.
 */
function checkedRules({ protocol, ports }: NameRule, family: 4 | 6, found: string, { onDeny }: Policy): string[] {
  return [
    ...(protocol === 'any' || protocol === 'tcp' ? [`meta l4proto tcp ${found} goto names_held_${onDeny}`] : []),
    ...(protocol === 'icmp' || (protocol === 'any' && ports === undefined)
      ? [`meta l4proto ${icmpOf(family)} ${found} goto names_settled`]
      : []),
  ];
}

function portText({ ports }: PortRule): string {
  return ports === undefined ? '' : ` ct original proto-dst ${rangeText(ports)}`;
}

export function rangeText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}
