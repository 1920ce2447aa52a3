import { beforeAll, describe, expect, test } from 'vitest';
import { interfacePart, type Element } from '../../../src/nft/element.ts';
import { battery, ruleset, subjects } from './battery.ts';

/**
 * "mallory" (restricted) and "listed" (allowlist) attack; "social", "openly" and "listed" may talk to one
 * another on the bridge, so that what the guard alone holds back is seen; "stray" is on the bridge with no policy.
 */
const containers = subjects(
  {
    mallory: { hostPorts: ['53/udp', '443/udp'] },
    victim: {},
    social: { isolation: 'bridge' },
    openly: { mode: 'open', hostAccess: 'all' },
    listed: { allow: ['203.0.113.0/24', '8.8.8.8:53/udp', '2001:db8::/32', '192.0.2.1:8080/tcp'], isolation: 'bridge' },
    none: { preset: 'none', hostAccess: 'none' },
    inviting: { ingress: 'open' },
    stray: undefined,
    away: { mode: 'open', ingress: 'open' },
  },
  { serving: ['victim', 'openly', 'inviting', 'away'], away: ['away'] },
);

const [, victim, , openly] = containers;

/** Port 8080 of the host leads to "victim", port 53/udp of its address 192.0.2.99 to "openly". */
const published: Element[] = [
  { table: 'inet drawbridge', set: 'published4', key: ['tcp', 8080], value: [victim?.ip4 ?? '', 80] },
  { table: 'inet drawbridge', set: 'published4_at', key: ['192.0.2.99', 'udp', 53], value: [openly?.ip4 ?? '', 53] },
  { table: 'inet drawbridge', set: 'translated4', key: ['tcp', 8080, victim?.ip4 ?? '', 80] },
  { table: 'inet drawbridge', set: 'translated4_at', key: ['192.0.2.99', 'udp', 53, openly?.ip4 ?? '', 53] },
  ...containers.map(({ bridge, ip4 }): Element => ({
    table: 'inet drawbridge',
    set: 'containers4',
    key: [interfacePart(bridge), ip4],
  })),
  ...[victim, openly].map((one): Element => ({
    table: 'inet drawbridge',
    set: 'hairpin4',
    key: [interfacePart('db0'), one?.ip4 ?? ''],
  })),
];

/** What the method of the attempts would show if nothing held them back, and what must go on working. */
const controls: Readonly<Record<string, readonly string[]>> = {
  'plain mallory 8.8.8.8': ['internet'],
  'plain mallory 2606:4700::1111': ['internet'],
  'plain mallory 2002:808:808::1': ['internet'],
  'plain mallory 10.88.0.1': ['host'],
  'plain openly 10.1.2.3': ['internet'],
  'plain openly fd00:1::3': ['internet'],
  'plain openly 169.254.169.254': ['internet'],
  'fragments mallory 8.8.8.8': ['internet'],
  'fragments mallory 2606:4700::1111': ['internet'],
  'extension_headers mallory 2606:4700::1111': ['internet'],
  'protocols listed 203.0.113.10': ['internet'],
  'protocols listed 2001:db8::10': ['internet'],
  'direct_to_sibling social openly': ['openly'],
  'routed_to_sibling social openly': ['openly'],
  'arp social 1 10.88.0.12': ['openly'],
  'advertisement social fd00:88::12': ['openly'],
  'ping_payload mallory 8.8.8.8': ['internet'],
  'from_outside 192.0.2.99': ['openly'],
  'from_outside 10.88.0.16': ['inviting'],
  'from_host 10.88.0.11': ['victim'],
  'from_host fd00:88::11': ['victim'],
};

const attempts: Readonly<Record<string, readonly string[]>> = {
  'a forged source address of a sibling': [
    'from_source 10.88.0.13 10.1.2.3',
    'from_source fd00:88::13 fd00:1::3',
    'from_source 10.88.0.13 169.254.169.254',
  ],
  'a self-assigned extra address': [
    'from_source 10.88.0.200 8.8.8.8',
    'from_source fd00:88::200 2606:4700::1111',
    'from_source 192.0.2.77 8.8.8.8',
    'from_source 0.0.0.0 10.1.2.3',
    'from_source 10.88.0.1 8.8.8.8',
    'from_source fd00:88::1 2606:4700::1111',
  ],
  'a forged source MAC': ['stolen_mac 10.1.2.3', 'stolen_mac fd00:1::3', 'own_address_other_mac'],
  'ARP for the gateway or a sibling': [
    'arp social 2 10.88.0.1',
    'arp social 1 10.88.0.1',
    'arp social 2 10.88.0.13',
    'arp social 2 10.88.0.12 02:00:00:00:00:0d',
    'arp_poisons_host',
  ],
  'forged neighbour discovery': [
    'advertisement social fd00:88::1',
    'advertisement social fe80::1',
    'advertisement social fd00:88::13',
    'duplicate_address_detection social fd00:88::1',
    'duplicate_address_detection social fd00:88::13',
  ],
  'a router advertisement or redirect': [
    'router_advertisement social',
    'router_advertisement_behind_headers social',
    'redirect social',
  ],
  'answers of a DHCP server': ['dhcp_server social'],
  'VLAN-tagged frames': [
    'vlan social 5 10.1.2.3',
    'vlan social 0 10.1.2.3',
    'vlan social 0 8.8.8.8',
    'vlan mallory 5 10.88.0.1',
  ],
  'frames of other protocols': ['ethertypes social'],
  'frames to reserved multicast MACs': [
    'reserved_multicast mallory 192.0.2.1 443',
    'reserved_multicast mallory 10.1.2.3 53',
    'reserved_multicast mallory 2001:db8:ffff::1 443',
    'reserved_multicast none 10.88.0.1 443',
  ],
  'frames to broadcast and multicast MACs': [
    'broadcast_mac mallory 192.0.2.1 443',
    'broadcast_mac mallory 10.1.2.3 53',
    'broadcast_mac none 10.88.0.1 53',
  ],
  'a sibling on the bridge': [
    'direct_to_sibling mallory victim',
    'direct_to_sibling openly victim',
    'direct_to_sibling mallory openly',
    'direct_to_sibling stray openly',
    'direct_to_sibling openly stray',
  ],
  'a sibling by way of the gateway': [
    'routed_to_sibling mallory victim',
    'routed_to_sibling openly victim',
    'routed_to_sibling mallory openly',
    'routed_to_sibling stray openly',
    'routed_to_sibling openly away',
    'routed_to_sibling mallory away',
  ],
  'metadata by every known address': [
    'plain mallory 169.254.169.254',
    'plain mallory 100.100.100.200',
    'plain mallory 168.63.129.16',
    'plain mallory fd00:ec2::254',
  ],
  'forms with an IPv4 address inside': [
    'plain mallory 64:ff9b::a01:203',
    'plain mallory 2002:a01:203::1',
    'plain mallory 2002:a9fe:a9fe::1',
    'plain mallory ::ffff:10.1.2.3',
    'plain mallory ::10.1.2.3',
  ],
  'the host by another address': [
    'plain mallory 192.0.2.1 443',
    'plain mallory 10.89.0.1 53',
    'plain mallory 2001:db8:ffff::1 53',
    'plain mallory fd00:89::1 53',
    'plain none 10.88.0.1 53',
  ],
  'the loopback of the host': ['loopback mallory', 'loopback openly'],
  'protocols without ports': [
    'protocols listed 198.51.100.20',
    'protocols listed 2a00:1450::20',
    'protocols mallory 10.1.2.3',
    'protocols mallory fd00:1::3',
    'protocols none 8.8.8.8',
    'protocols mallory 192.0.2.1',
  ],
  fragments: [
    'fragments mallory 10.1.2.3',
    'fragments mallory fd00:1::3',
    'fragments none 8.8.8.8',
    'fragments none 2606:4700::1111',
    'fragments mallory 169.254.169.254',
  ],
  'IPv6 extension headers': ['extension_headers mallory fd00:1::3', 'extension_headers none 2606:4700::1111'],
  'source routes': [
    'source_route listed 203.0.113.10 10.1.2.3',
    'source_route openly 10.88.0.1 10.88.0.11',
    'source_route mallory 192.0.2.99 10.1.2.3',
    'source_route mallory 192.0.2.1 10.1.2.3',
    'source_route mallory 10.88.0.1 10.1.2.3',
    'routing_header mallory 2001:db8:ffff::1 fd00:1::3',
    'routing_header mallory fd00:88::1 fd00:1::3',
  ],
  'ICMP errors about a connection': [
    'icmp_error_about_a_flow mallory 10.1.2.3',
    'icmp_error_about_a_flow listed 198.51.100.20',
  ],
  'payload in pings': [
    'ping_payload none 8.8.8.8',
    'ping_payload none 2606:4700::1111',
    'ping_payload mallory 10.1.2.3',
    'ping_payload none 10.88.0.1',
  ],
  'segments without a connection': [
    'segment_without_connection none 8.8.8.8 443',
    'segment_without_connection mallory 10.1.2.3 443',
  ],
  'a source nobody knows on an enforced bridge': [
    'plain stray 8.8.8.8',
    'plain stray 2606:4700::1111',
    'plain stray 10.88.0.1',
    'plain stray fd00:88::1',
  ],
  'answers that quote the packet to a forged source': [
    'extra_address stray 203.0.113.10 10.1.2.3',
    'extra_address stray 203.0.113.10 10.88.0.1',
    'extra_address stray 203.0.113.10 10.88.0.11',
    'extra_address stray 2001:db8::10 fd00:88::11',
    'extra_address stray 2001:db8::10 fd00:1::3',
  ],
  'entering from outside': ['from_outside 10.88.0.11', 'from_outside fd00:88::11', 'from_outside 10.88.0.13'],
};

/** Published ports and source ports are told by connections, not frames. */
const probes = [
  { id: 'outside to the published port', from: 'internet', protocol: 'tcp', address: '192.0.2.1', port: 8080 },
  {
    id: 'restricted to a published port at a public address of the host',
    from: 'social',
    protocol: 'tcp',
    address: '192.0.2.1',
    port: 8080,
  },
  {
    id: 'restricted to a published port at a private address of the host',
    from: 'social',
    protocol: 'tcp',
    address: '10.88.0.1',
    port: 8080,
  },
  { id: 'a listed published port', from: 'listed', protocol: 'tcp', address: '192.0.2.1', port: 8080 },
  { id: 'an unlisted published port', from: 'none', protocol: 'tcp', address: '192.0.2.1', port: 8080 },
  { id: 'a published port of another bridge', from: 'away', protocol: 'tcp', address: '192.0.2.1', port: 8080 },
  { id: 'from port 53', from: 'none', protocol: 'udp', address: '8.8.8.8', port: 53, sport: 53 },
  { id: 'from port 67', from: 'mallory', protocol: 'udp', address: '10.1.2.3', port: 53, sport: 67 },
  { id: 'from port 443', from: 'none', protocol: 'tcp', address: '8.8.8.8', port: 443, sport: 443 },
  { id: 'other resolver', from: 'none', protocol: 'udp', address: '8.8.8.8', port: 53 },
  { id: 'host by fe80', from: 'mallory', protocol: 'tcp', address: 'fe80::1%eth0', port: 22 },
  { id: 'host by fe80 when all is open', from: 'openly', protocol: 'tcp', address: 'fe80::1%eth0', port: 22 },
] as const;

/** With packets that somebody else exempts from conntrack. */
const untracked = [
  'plain  mallory 10.1.2.3',
  'plain  mallory fd00:1::3',
  'plain  mallory 169.254.169.254',
  'plain  none 8.8.8.8',
  'plain  none 10.88.0.1',
];
const notrack =
  'table inet foreign { chain early { type filter hook prerouting priority -301; udp dport 53 notrack; }; }\n';

describe.each([0, 1])('with bridge-nf-call-iptables %i', (seen) => {
  let results: Record<string, string | string[]> = {};

  beforeAll(async () => {
    const run = ['iptables', 'ip6tables', 'arptables'].map((name) => [
      'sysctl',
      '-qw',
      `net.bridge.bridge-nf-call-${name}=${seen}`,
    ]);
    results = await battery(containers, [
      {
        nft: ruleset(containers, published),
        run,
        probes,
        attacks: [...Object.keys(controls), ...Object.values(attempts).flat()],
      },
      { nft: notrack, attacks: untracked },
    ]);
  });

  describe('what is let through', () => {
    test.each(Object.entries(controls))('%s arrives at %j', (attack, places) => {
      expect(results[attack]).toEqual(places);
    });
  });

  describe.each(Object.entries(attempts))('%s', (_, attacks) => {
    test.each(attacks)('gets nothing out: %s', (attack) => {
      expect(results[attack]).toEqual([]);
    });
  });

  test.each(untracked)('gets nothing out untracked: %s', (attack) => {
    expect(results[attack]).toEqual([]);
  });

  describe('ports', () => {
    test.each([
      'outside to the published port',
      'restricted to a published port at a public address of the host',
      'a listed published port',
      'a published port of another bridge',
      'host by fe80 when all is open',
    ])('%s: reached', (id) => {
      expect(results[id]).toBe('answer');
    });
    test.each([
      'restricted to a published port at a private address of the host',
      'an unlisted published port',
      'from port 53',
      'from port 67',
      'from port 443',
      'other resolver',
      'host by fe80',
    ])('%s: not reached', (id) => {
      expect(results[id]).not.toBe('answer');
    });
  });
});
