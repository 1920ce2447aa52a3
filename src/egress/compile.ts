import type { RuleGroup } from '../nft/group.ts';
import { asked, Draft, icmpOf, rangeText } from './compile-draft.ts';
import { formatAddress } from '../ip/address.ts';
import { checksNames } from './checked-names.ts';
import { policyChain } from './policy-names.ts';
import { compileWithin, deniesWithin, withinChain } from './compile-within.ts';
import { locksDns, lookedFor } from './deny-names.ts';
import { octetPrefixes } from './nat64.ts';
import { zeroOctet } from './nat64-prefixes.ts';
import { foldPorts } from './normalise.ts';
import { isPublicPrefix } from './on-link.ts';
import type { Policy } from './policy.ts';
import { withSixToFour } from './six-to-four.ts';
import { policyId } from './policy-id.ts';

/**
 * The chains and sets of a policy: those of `table bridge drawbridge` (compile-within.ts), and in `table inet
 * drawbridge` with P = "policy_" and the id:
 *
 *   chain P         judges what is forwarded: "return" allows
 *   chain P_host    judges what is for the host
 *   chain P_looked  with names in `deny`: has the first bytes looked at of what is let through otherwise
 *   chain P_within  judges what is routed to containers that it may reach, where "deny" has something of them
 *   chain P_onlink  judges what is on a network of the host's, where "allowPrivate" lists public addresses
 *   set P_deny4, P_private4, P_onlink4, P_allow4     prefixes, every protocol
 *   … _ports                              (prefix, protocol, port)
 *   … _icmp                               prefixes, ICMP
 *   set P_grant_ID_4                      the container itself, for as long as a grant lasts (grants.ts)
 *   set P_granted_ID_4 …                  what is granted, as of P_allow4
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
    ...octetPrefixes.map(
      ({ prefix }) => `ct original ip6 daddr ${prefix} ct original ip6 daddr & ${octet} != :: ${deny}`,
    ),
    ...draft.lists(`${name}_deny`, withSixToFour(policy.deny), deny),
  ];
  const isDnsLocked = locksDns(policy);
  draft.chain(name, [
    ...denied,
    ...(isDnsLocked ? [`meta l4proto { tcp, udp } ct original proto-dst ${dnsPorts} ${deny}`] : []),
    ...judgement(draft, id, policy, deny),
  ]);
  if (deniesWithin(policy)) draft.chain(withinChain(name), denied);
  draft.chain(`${name}_host`, [
    ...denied,
    ...(isDnsLocked ? lockedDns(deny) : []),
    ...hostRules(draft, name, policy, deny),
  ]);
  const within = compileWithin(policy, name);
  return { id, sets: [...draft.sets, ...within.sets], chains: [...draft.chains, ...within.chains] };
}

const octet = formatAddress({ family: 6, value: zeroOctet });
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
    ...(policy.mode === 'allowlist' ? [...listed(draft, id, policy, { allow, settle }), deny] : [allow]),
  ];
}

/** What an allowlist opens: its own entries, and those of grants for as long as these last. */
function listed(
  draft: Draft,
  id: string,
  policy: Policy,
  { allow, settle }: { allow: string; settle: string },
): string[] {
  const { allow: addresses, names, grants = [] } = policy;
  const isOwn = ({ grant }: { readonly grant?: string }): boolean => grant === undefined;
  const granted = grants.map(({ id: grant, rule }) => ({ grant, rule, when: draft.lasting(id, grant) }));
  return [
    ...draft.lists(`${policyChain(id)}_allow`, addresses.filter(isOwn), allow),
    ...granted.flatMap(({ grant, rule, when }) =>
      'prefix' in rule ? draft.lists(`${policyChain(id)}_granted_${grant}_`, [rule], allow, when) : [],
    ),
    ...draft.names({ id, policy, allow: settle }, names.filter(isOwn)),
    ...granted.flatMap(({ rule, when }) =>
      'name' in rule ? draft.names({ id, policy, allow: settle, when }, [rule]) : [],
    ),
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
  const services = foldPorts(hostPorts).map((range) => [range.protocol, rangeText(range)]);
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

function denyChain({ audit, onDeny }: Policy): string {
  return audit ? 'deny_audit' : `deny_${onDeny}`;
}
