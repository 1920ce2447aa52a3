/**
 * The two tables, without what belongs to attachments. A packet costs the same number of lookups whatever
 * the number of containers and of published ports.
 *
 *   set layout_<hash>   named by the hash of all this text: who adds to it fails on another layout
 *   set group_<hash>    one for each policy whose chains and sets are declared (nft/group.ts)
 *   set bridges         interfaces through which our containers' packets enter the host
 *   map published4_at   (address of the host, protocol, port) -> container, for mappings with a hostIP
 *   map published4      (protocol, port) -> container, for mappings on every address
 *   set containers4     (bridge, address) of every container
 *   set hairpin4        (bridge, address) of containers with published ports, unless "snat" is off
 *   set masquerade4     addresses that are hidden behind the host's when they leave their bridge
 *   set bare4           (address, network): where such an address is not hidden after all
 *
 * and the same with 6. The sets of the policies are in egress/layout.ts, those of the guard in egress/guard.ts,
 * those of ingressPolicy in egress/ingress-policy.ts.
 */
import { sha256 } from '../digest/sha256.ts';
import { guardDeclarations } from '../egress/guard.ts';
import { egressDeclarations } from '../egress/layout.ts';
import { ingressPolicyDeclarations } from '../egress/ingress-policy.ts';
import type { TableName } from './element.ts';

const sets = `
  set bridges { type ifname; }
  map published4_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map published6_at { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map published4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map published6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set containers4 { type ifname . ipv4_addr; }
  set containers6 { type ifname . ipv6_addr; }
  set hairpin4 { type ifname . ipv4_addr; }
  set hairpin6 { type ifname . ipv6_addr; }
  set masquerade4 { type ipv4_addr; }
  set masquerade6 { type ipv6_addr; }
  set bare4 { type ipv4_addr . ipv4_addr; flags interval; }
  set bare6 { type ipv6_addr . ipv6_addr; flags interval; }
`;

/**
 * With route_localnet on a bridge, 127.0.0.0/8 is an address like any other there: a container could reach
 * what listens on the host's loopback only, or speak in its name. Replies to the host's own connections
 * through 127.0.0.1 carry the bridge's address on the wire and pass. Before conntrack: nothing is remembered.
 */
const loopback = `
  chain loopback {
    type filter hook prerouting priority raw; policy accept;
    ip daddr 127.0.0.0/8 iifname @bridges drop
    ip saddr 127.0.0.0/8 iifname @bridges drop
  }
`;

/**
 * Only what is addressed to the host itself (GHSA-jv3w-x3r3-g6rm, plugins#1209). What comes from the wire
 * for 127.0.0.1 is left to the kernel, which drops it: translated first, it would be let in (moby#45610).
 * A packet with source ::1 never leaves the loopback interface, so ::1 stays with the host's own listeners.
 */
const publishing = `
  chain published_from_wire {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 127.0.0.0/8 return
    fib daddr type local jump published
  }
  chain published_from_host {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    fib daddr type local jump published
  }
  chain published {
    dnat ip to ip daddr . meta l4proto . th dport map @published4_at
    dnat ip to meta l4proto . th dport map @published4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6_at
    dnat ip6 to meta l4proto . th dport map @published6
  }
`;

/**
 * A packet that conntrack cannot place is not translated: it would leave with the container's own address
 * (plugins#816, moby#18630).
 */
const untranslated = `
  chain untranslated {
    type filter hook forward priority filter - 10; policy accept;
    ct state invalid iifname . ip saddr @containers4 drop
    ct state invalid iifname . ip6 saddr @containers6 drop
  }
`;

/**
 * A published port is reached with the client's own address, except where the answer would not come back
 * through the host: from a container on the same bridge, and from 127.0.0.1. "Inside the network" is what
 * leaves by the container's own bridge; but a container with a policy reaches nobody there past the host except
 * containers, so what it sends to others by that bridge (the LAN that a NIC in the bridge leads to) has to be answered
 * through the host.
 */
const masquerading = `
  chain masquerading {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname . ip daddr @hairpin4 masquerade
    ct status dnat oifname . ip saddr @containers4 oifname . ip daddr @hairpin4 masquerade
    ct status dnat oifname . ip6 saddr @containers6 oifname . ip6 daddr @hairpin6 masquerade
    ct status dnat oifname @bridges return
    oifname . ip saddr @containers4 goto masquerading_within
    oifname . ip6 saddr @containers6 goto masquerading_within
    ip daddr 224.0.0.0/4 return
    ip6 daddr ff00::/8 return
    ip saddr . ip daddr @bare4 return
    ip6 saddr . ip6 daddr @bare6 return
    ip saddr @masquerade4 masquerade
    ip6 saddr @masquerade6 masquerade
  }
  chain masquerading_within {
    oifname . ip saddr != @sources4 return
    oifname . ip6 saddr != @sources6 return
    oifname . ip daddr @containers4 return
    oifname . ip6 daddr @containers6 return
    oifname . ip daddr @sources4 return
    oifname . ip6 daddr @sources6 return
    meta pkttype { broadcast, multicast } return
    ip daddr 224.0.0.0/4 return
    ip6 daddr ff00::/8 return
    ip saddr . ip daddr @bare4 return
    ip6 saddr . ip6 daddr @bare6 return
    ip saddr @masquerade4 masquerade
    ip6 saddr @masquerade6 masquerade
  }
`;

const declarations: Readonly<Record<TableName, string>> = {
  'inet drawbridge': [
    sets,
    loopback,
    publishing,
    untranslated,
    masquerading,
    ingressPolicyDeclarations,
    egressDeclarations,
  ].join(''),
  'bridge drawbridge': guardDeclarations,
};

declare const DRAWBRIDGE_LAYOUT: string | undefined;

/** Name of the set that stands for all declarations of this program's version; the build works it out beforehand. */
export const layoutMark =
  typeof DRAWBRIDGE_LAYOUT === 'string' ? DRAWBRIDGE_LAYOUT : mark('layout', JSON.stringify(declarations));

/** Name of the set that stands for the chains and sets of a policy. */
export function groupMark(id: string): string {
  return mark('group', id);
}

/** nft text of the one element that those sets hold. */
export const markElement = '"in-force"';

/** nft text of each table with its declarations and no element but the layout's. */
export const tables: Readonly<Record<TableName, string>> = {
  'inet drawbridge': tableText('inet drawbridge'),
  'bridge drawbridge': tableText('bridge drawbridge'),
};

/** Commands that delete what sets of the layout list: they fail where some of it is not there. */
export const listedByLayout: readonly string[] = Object.entries(declarations).flatMap(([table, text]) =>
  [...text.matchAll(/^ *set (\w+) \{.* elements = \{ (.*) \} \}$/gm)].map(
    ([, set, elements]) => `delete element ${table} ${set} { ${elements} }`,
  ),
);

/**
 * Commands that give a chain of the layout its rules again; undefined when the layout has no such chain. The chain is
 * declared as well: where it is gone, adding to it makes it.
 */
export function restoredChain(table: TableName, chain: string): string | undefined {
  const body = new RegExp(`^  chain ${chain} \\{\n(?:    .*\n)*  \\}$`, 'm').exec(declarations[table])?.[0];
  if (body === undefined) return undefined;
  return `add chain ${table} ${chain}\nflush chain ${table} ${chain}\ntable ${table} {\n${body}\n}\n`;
}

/** Data types of a set's keys, and of a map's values, in words of nft(8): `ifname . ipv4_addr`, `verdict`. */
export interface DeclaredTypes {
  readonly key: string;
  readonly value?: string;
}

let declared: ReadonlyMap<string, DeclaredTypes> | undefined;

/** Of a set or map that the layout declares; undefined for others. */
export function declaredTypes(table: TableName, set: string): DeclaredTypes | undefined {
  declared ??= new Map(
    Object.entries(declarations).flatMap(([of, text]) =>
      [...text.matchAll(/^ *(?:set|map) (\w+) \{ type(?:of)? ([^:;]+?)(?: : ([^;]+))?;/gm)].map(
        ([, name, key = '', value]) => [`${of} ${name}`, value === undefined ? { key } : { key, value }] as const,
      ),
    ),
  );
  return declared.get(`${table} ${set}`);
}

function mark(kind: string, text: string): string {
  return `${kind}_${sha256(text).slice(0, 16)}`;
}

function tableText(table: TableName): string {
  const layout = `  set ${layoutMark} { type ifname; elements = { ${markElement} } }`;
  const body = declarations[table].split('\n').filter((line) => line.trim() !== '');
  return [`table ${table} {`, layout, ...body, '}', ''].join('\n');
}
