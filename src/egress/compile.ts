import type { DataType } from '../nft/data.ts';
import type { ChainDeclaration, SetDeclaration } from '../nft/declaration.ts';
import type { RuleGroup } from '../nft/group.ts';
import { compileWithin } from './compile-within.ts';
import { locksDns, lookedFor } from './deny-names.ts';
import { nftInterval } from './interval.ts';
import { foldAddressRules, foldPorts } from './normalise.ts';
import { isPublicPrefix } from './on-link.ts';
import type { AddressRule, NameRule, Policy, PortRule } from './policy.ts';
import { policyId } from './policy-id.ts';
import { withNat64 } from './nat64.ts';

/**
 * The chains and sets of a policy: those of `table bridge drawbridge` (compile-within.ts), and in `table inet
 * drawbridge` with P = "policy_" and the id:
 *
 *   chain P         judges what is forwarded: "return" allows
 *   chain P_host    judges what is for the host
 *   chain P_looked  with names in `deny`: has the first bytes looked at of what is let through otherwise
 *   chain P_onlink  judges what is on a network of the host's, where "allowPrivate" lists public addresses
 *   set P_deny4, P_private4, P_onlink4, P_allow4     prefixes, every protocol
 *   … _ports                              (prefix, protocol, port)
 *   … _icmp                               prefixes, ICMP
 *   set P_host_ports                      (protocol, port) on the gateway addresses
 *   set P_names4_tcp_443                  addresses of names, one set per protocol and ports; expiring, filled
 *                                         from elsewhere (elements.ts), kept when the group is added again
 *   set P_names4_tcp_22_unchecked         with `verifyNames`: those whose connections are not looked into
 */
export function compilePolicy(policy: Policy): RuleGroup {
  const id = policyId(policy);
  const draft = new Draft();
  const deny = `goto ${denyChain(policy)}`;
  const name = policyChain(id);

  const denied = [
    ...(policy.ipv6 === 'disable' ? [`meta nfproto ipv6 ${deny}`] : []),
    ...draft.lists(`${name}_deny`, policy.deny, deny),
  ];
  const isDnsLocked = locksDns(policy);
  draft.chain(name, [
    ...denied,
    ...(isDnsLocked ? [`meta l4proto { tcp, udp } ct original proto-dst ${dnsPorts} ${deny}`] : []),
    ...judgement(draft, id, policy, deny),
  ]);
  draft.chain(`${name}_host`, [
    ...denied,
    ...(isDnsLocked ? lockedDns(deny) : []),
    ...hostRules(draft, name, policy, deny),
  ]);
  const within = compileWithin(policy, name);
  return { id, sets: [...draft.sets, ...within.sets], chains: [...draft.chains, ...within.chains] };
}

/** Whether connections are looked into: those that a name alone opens, or may not have. An audit holds nothing up. */
export function checksNames(policy: Policy): boolean {
  return checksOpening(policy) || lookedFor(policy).length > 0;
}

/** Whether a connection that a name alone opens has to ask for an allowed one. */
export function checksOpening({ verifyNames, mode, names, audit }: Policy): boolean {
  return verifyNames && !audit && mode === 'allowlist' && names.some(({ unchecked }) => unchecked !== true);
}

/** The chain of a policy. */
export function policyChain(id: string): string {
  return `policy_${id}`;
}

/** The set that holds the addresses of a policy's names with this protocol and these ports. */
export function namesSet(
  id: string,
  family: 4 | 6,
  { protocol, ports, unchecked }: PortRule & Pick<NameRule, 'unchecked'>,
): string {
  const range = ports === undefined ? '' : ports.from === ports.to ? `_${ports.from}` : `_${ports.from}_${ports.to}`;
  return `${policyChain(id)}_names${family}_${protocol}${range}${unchecked ? '_unchecked' : ''}`;
}

/** What the name of a chain or a set of a policy says of it. */
export interface PolicyName {
  readonly id: string;
  /** Of a set of {@link namesSet}: the family of its addresses. */
  readonly names?: 4 | 6;
}

/** Reads a name that {@link policyChain} begins; undefined for any other. */
export function readPolicyName(name: string): PolicyName | undefined {
  const [, id, names] = /^policy_([0-9a-z]+)(?:_names([46])_|_|$)/.exec(name) ?? [];
  if (id === undefined) return undefined;
  return names === undefined ? { id } : { id, names: names === '4' ? 4 : 6 };
}

const hasPort = 'meta l4proto { tcp, udp, sctp }';
const families = [4, 6] as const;

/** What is not denied outright: DESIGN.md, "Order of judgement". */
function judgement(draft: Draft, id: string, policy: Policy, deny: string): string[] {
  const name = policyChain(id);
  // Of a container whose connections are looked into, those that need no look have to say so.
  const settle = checksNames(policy) ? 'goto names_settled' : 'return';
  const allow = looked(draft, name, policy, deny) ?? settle;
  if (policy.mode === 'open') return [allow];
  const { true: onLink = [], false: allowPrivate = [] } = Object.groupBy(
    policy.allowPrivate,
    ({ prefix }) => `${isPublicPrefix(prefix)}`,
  );
  const local = policy.allowLocalNetworks ? allow : deny;
  // A public prefix is open as far as the host is on that network.
  if (onLink.length > 0) draft.chain(`${name}_onlink`, [...draft.lists(`${name}_onlink`, onLink, allow), local]);
  return [
    ...draft.lists(`${name}_private`, allowPrivate, allow),
    ...families.flatMap((family) => [
      `${asked(family)} @metadata${family} ${deny}`,
      `${asked(family)} @bogon${family} ${deny}`,
    ]),
    ...families.flatMap((family) => [
      `${asked(family)} @private${family} ${local}`,
      `${asked(family)} @onlink${family} ${onLink.length > 0 ? `goto ${name}_onlink` : local}`,
    ]),
    ...(policy.mode === 'allowlist'
      ? [...draft.lists(`${name}_allow`, policy.allow, allow), ...draft.names(id, policy, settle), deny]
      : [allow]),
  ];
}

/**
 * Where names of `deny` are looked for: what else would be let through at their ports waits for its first bytes. QUIC
 * is refused there, upon which clients take TCP. What is `/unchecked` is looked at by nobody.
 */
function looked(draft: Draft, name: string, policy: Policy, deny: string): string | undefined {
  const rules = lookedFor(policy);
  if (rules.length === 0) return undefined;
  const ports = foldPorts(rules);
  const tcp = ports.filter(({ protocol }) => protocol === 'tcp').map(rangeText);
  const isQuic = ports.some(({ protocol, from, to }) => protocol === 'udp' && from <= 443 && 443 <= to);
  const chain = `${name}_looked`;
  draft.chain(chain, [
    ...(isQuic ? [`meta l4proto udp ct original proto-dst 443 ${deny}`] : []),
    ...(tcp.length === 0
      ? []
      : [`meta l4proto tcp ct original proto-dst { ${tcp.join(', ')} } goto names_held_${policy.onDeny}`]),
    'goto names_settled',
  ]);
  return `goto ${chain}`;
}

/** DNS, and DNS over TLS. */
const dnsPorts = '{ 53, 853 }';

/** Port 53 of the host is the agent's alone: only while it is there, the element is that leads to it. */
function lockedDns(deny: string): string[] {
  return [
    ...families.map((family) => {
      const ip = family === 4 ? 'ip' : 'ip6';
      return `meta l4proto { tcp, udp } th dport 53 iifname . ${ip} saddr != @dnsforce${family} ${deny}`;
    }),
    `meta l4proto { tcp, udp } th dport 853 ${deny}`,
  ];
}

/** Echo is answered where the gateway is the container's to use at all; how fast, the layout says. */
function hostRules(draft: Draft, name: string, { hostAccess, hostPorts }: Policy, deny: string): string[] {
  if (hostAccess === 'all') return ['return'];
  if (hostAccess === 'none') return [deny];
  const any = hostPorts.some(({ protocol, ports }) => protocol === 'any' && ports === undefined);
  const icmp = hostPorts.some(({ protocol }) => protocol === 'icmp');
  const services = foldPorts(hostPorts).map((range) => `${range.protocol} . ${rangeText(range)}`);
  if (services.length > 0) draft.set(`${name}_host_ports`, ['inet_proto', 'inet_service'], services);
  return families
    .flatMap((family) => {
      const ip = family === 4 ? 'ip' : 'ip6';
      const gateway = `iifname . ${ip} saddr . ${ip} daddr @gateways${family}`;
      const echo = family === 4 ? 'icmp type echo-request' : 'icmpv6 type echo-request';
      return [
        ...(any ? [`${gateway} return`] : []),
        ...(icmp ? [`meta l4proto ${icmpOf(family)} ${gateway} return`] : [`${echo} ${gateway} return`]),
        ...(services.length > 0 ? [`${hasPort} ${gateway} meta l4proto . th dport @${name}_host_ports return`] : []),
      ];
    })
    .concat(deny);
}

const table = 'inet drawbridge';

/** Collects what is declared. */
class Draft {
  readonly sets: SetDeclaration[] = [];
  readonly chains: ChainDeclaration[] = [];

  /** Declares the sets of a list and returns the rules that give `verdict` to what is in them. */
  lists(name: string, rules: readonly AddressRule[], verdict: string): string[] {
    const { ranges, boxes, icmp } = foldAddressRules(withNat64(rules));
    return families.flatMap((family) => {
      const isOurs = (run: { readonly family: 4 | 6 }): boolean => run.family === family;
      const base = `${name}${family}`;
      const destination = asked(family);
      const address = addressType(family);
      const boxTexts = boxes
        .filter(isOurs)
        .map((box) => `${nftInterval(box)} . ${box.protocol} . ${rangeText(box.ports)}`);
      return [
        ...this.#listed(base, [address], ranges.filter(isOurs).map(nftInterval), `${destination} @${base} ${verdict}`),
        ...this.#listed(
          `${base}_icmp`,
          [address],
          icmp.filter(isOurs).map(nftInterval),
          `meta l4proto ${icmpOf(family)} ${destination} @${base}_icmp ${verdict}`,
        ),
        ...this.#listed(
          `${base}_ports`,
          [address, 'inet_proto', 'inet_service'],
          boxTexts,
          `${hasPort} ${destination} . meta l4proto . ct original proto-dst @${base}_ports ${verdict}`,
        ),
      ];
    });
  }

  /** Declares the sets for the addresses of names and returns the rules that allow what is in them. */
  names(id: string, policy: Policy, allow: string): string[] {
    const kinds = new Map(policy.names.map((rule) => [namesSet(id, 4, rule), rule]));
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
          if (isChecked(rule)) return checkedRules(rule, family, found, policy);
          return protocolTexts(rule, family).map((protocol) => `${protocol}${found} ${allow}`);
        }),
      );
  }

  set(name: string, key: readonly DataType[], elements: readonly string[]): void {
    this.sets.push({ table, name, key, flags: ['interval'], elements, filledBy: 'constant', about: 'a list' });
  }

  chain(name: string, rules: readonly string[]): void {
    this.chains.push({ table, name, rules });
  }

  #listed(name: string, key: readonly DataType[], elements: readonly string[], rule: string): string[] {
    if (elements.length === 0) return [];
    this.set(name, key, elements);
    return [rule];
  }
}

function denyChain({ audit, onDeny }: Policy): string {
  return audit ? 'deny_audit' : `deny_${onDeny}`;
}

/** The destination that the container asked for, whatever was made of it on the way. */
function asked(family: 4 | 6): string {
  return family === 4 ? 'ct original ip daddr' : 'ct original ip6 daddr';
}

/** nft knows these two itself, and "ipv6-icmp" from /etc/protocols, which a host or an image may lack. */
function icmpOf(family: 4 | 6): string {
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

function rangeText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}
