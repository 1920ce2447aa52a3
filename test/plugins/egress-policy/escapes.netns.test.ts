import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import {
  describe,
  expect,
  makeHost,
  test,
  type Container,
  type Host,
  type Json,
  type Place,
} from '../../helpers/host.ts';
import { addContainer, addressOf, chain, makeWorld } from './network.ts';

const attempts = fileURLToPath(new URL('attempts.py', import.meta.url));
const overhear = fileURLToPath(new URL('overhear.py', import.meta.url));
/** scapy is in the folders of the system. */
const python = ['/usr/bin/python3', '-u'];

/**
 * Of "mallory" (restricted) and "monk" (preset none); their sibling "openly" (10.1.0.2) may reach everything and
 * publishes port 8080.
 */
const tries: Readonly<Record<string, readonly string[]>> = {
  'a private destination': ['mallory plain 10.7.7.7', 'mallory plain fd00:7::7'],
  'a forged source address of a sibling': [
    'mallory from_source 10.1.0.2 10.7.7.7',
    'mallory from_source fd01::2 fd00:7::7',
  ],
  'a forged source MAC and address of a sibling': ['mallory as_sibling 10.7.7.7', 'mallory as_sibling fd00:7::7'],
  'a forged source MAC': ['mallory other_mac 8.8.8.8', 'mallory other_mac 2001:4860:4860::8888'],
  'a self-assigned extra address': [
    'mallory from_source 10.1.0.200 8.8.8.8',
    'mallory from_source fd01::200 2001:4860:4860::8888',
    'mallory from_source 10.1.0.1 8.8.8.8',
  ],
  'gratuitous ARP for the gateway and a sibling': [
    'mallory gratuitous_arp 10.1.0.1',
    'mallory gratuitous_arp 10.1.0.2',
  ],
  'forged neighbour and router advertisements': ['mallory advertisement fd01::1', 'mallory advertisement fd01::2'],
  'answers of a DHCP server': ['mallory dhcp_server'],
  'VLAN-tagged frames': ['mallory vlan 8.8.8.8', 'mallory vlan 10.7.7.7'],
  'raw frames': ['mallory raw_frames'],
  fragments: [
    'mallory fragments 10.7.7.7',
    'mallory fragments fd00:7::7',
    'monk fragments 8.8.8.8',
    'monk fragments 2001:4860:4860::8888',
  ],
  'IPv6 extension headers': ['mallory extension fd00:7::7', 'monk extension 2001:4860:4860::8888'],
  'protocols without ports': [
    'mallory protocols 10.7.7.7',
    'mallory protocols fd00:7::7',
    'monk protocols 8.8.8.8',
    'mallory protocols 192.0.2.1',
  ],
  'metadata by every known address': [
    'mallory plain 169.254.169.254',
    'mallory plain 100.100.100.200',
    'mallory plain 168.63.129.16',
    'mallory plain fd00:ec2::254',
  ],
  'forms with an IPv4 address inside': [
    'mallory plain 64:ff9b::a07:707',
    'mallory plain 2002:a07:707::1',
    'mallory plain ::ffff:10.7.7.7',
  ],
  'other addresses of the host': [
    'mallory plain 192.0.2.1',
    'mallory plain 2001:db8:ffff::1',
    'mallory plain 10.1.0.1',
    'mallory plain fd01::1',
  ],
  'the host by its link-local address': ['mallory link_local GATEWAY80'],
  'the loopback of the host': ['mallory loopback'],
  "a sibling's published port through the host": ['mallory plain 10.1.0.1 8080', 'monk plain 192.0.2.1 8080'],
  'a sibling on the bridge': ['mallory sibling', 'monk sibling'],
  'payload in pings': [
    'monk ping 8.8.8.8',
    'monk ping 2001:4860:4860::8888',
    'mallory ping 10.7.7.7',
    'monk ping 192.0.2.1',
  ],
  'DNS to another server': ['monk plain 8.8.8.8 53', 'monk plain 2001:4860:4860::8888 53'],
  'source-port tricks': ['monk plain 8.8.8.8 443 53', 'monk plain 8.8.8.8 67 67', 'mallory plain 10.7.7.7 53 53'],
  'segments without a connection': ['monk segment 8.8.8.8 443', 'mallory segment 10.7.7.7 443'],
  'source routes': ['mallory source_route 8.8.8.8 10.7.7.7', 'mallory source_route 10.1.0.1 10.7.7.7'],
};

/** What the method would show if nothing held the attempts back. */
const controls = [
  'mallory plain 8.8.8.8',
  'mallory plain 2001:4860:4860::8888',
  'mallory fragments 8.8.8.8',
  'mallory protocols 8.8.8.8',
  'mallory ping 8.8.8.8',
  'openly plain 10.7.7.7',
  'monk plain 10.1.0.1 53',
  // Published at a public address of the host: as any other public destination.
  'mallory plain 192.0.2.1 8080',
];

let host: Host;
let heard: ReadonlySet<string>;

beforeAll(async () => {
  host = await makeHost();
  heard = await runAll();
});
afterAll(async () => host.dispose());

async function runAll(): Promise<Set<string>> {
  const outside = await makeWorld(host);
  const capabilities = { portMappings: true };
  const openly = await addContainer(host, chain({ mode: 'open', hostAccess: 'all' }, { capabilities }), {
    name: 'openly',
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 9, protocol: 'udp' }] },
  });
  const mallory = await addContainer(host, chain(), { name: 'mallory' });
  const monk = await addContainer(host, chain({ preset: 'none' }), { name: 'monk' });
  const [openlyFacts, malloryFacts, monkFacts] = await Promise.all([openly, mallory, monk].map(factsOf));
  const gateway80 = (await host.sh(`ip -6 -o addr show dev br0 scope link | grep -o 'fe80[^/]*'`)).trim();
  const logs = await Promise.all([listen(outside, 'frames'), listen(openly, 'frames'), listen(host, 'sockets')]);
  const lines = [...controls, ...Object.values(tries).flat()];
  for (const [name, own, other, place] of [
    ['openly', openlyFacts, malloryFacts, openly],
    ['mallory', malloryFacts, openlyFacts, mallory],
    ['monk', monkFacts, openlyFacts, monk],
  ] as const) {
    const input = lines
      .filter((line) => line.startsWith(`${name} `))
      .map((line) => line.slice(name.length + 1).replace('GATEWAY80', gateway80))
      .join('\n');
    await host.run([...python, attempts, JSON.stringify({ ...own, name, other })], {
      where: place,
      input,
      timeout: 30_000,
    });
  }
  await new Promise((resolve) => setTimeout(resolve, 400));
  const texts = await Promise.all(logs.map(async (log) => host.run(['cat', log])));
  return new Set(texts.flatMap((text) => text.split('\n')).map((line) => line.replace(gateway80, 'GATEWAY80')));
}

async function listen(where: Place, what: 'frames' | 'sockets'): Promise<string> {
  const { log } = await host.spawn([...python, '-I', '-S', overhear, what], { where });
  while (!(await host.run(['cat', log])).includes('ready')) await new Promise((resolve) => setTimeout(resolve, 30));
  return log;
}

async function factsOf({ result, netns }: Container & { result: Json }): Promise<Json> {
  const macs = (result['interfaces'] as { mac: string }[]).map(({ mac }) => mac);
  const fe80 = (
    await host.sh(`ip -6 -o addr show dev eth0 scope link | grep -o 'fe80[^/]*'`, { where: { netns } })
  ).trim();
  return { mac: macs.at(-1), gateway: macs[0], ip4: addressOf(result, 4), ip6: addressOf(result, 6), fe80 };
}

describe('through a real chain arrives what may', () => {
  test.for(controls)('%s', (line) => {
    expect(heard).toContain(`<${line}>`);
  });
});

describe.for(Object.entries(tries))('through a real chain nothing gets out by %s', ([, lines]) => {
  test.for(lines)('%s', (line) => {
    expect(heard).not.toContain(`<${line}>`);
  });
});

test('nothing at all was heard but what may arrive', () => {
  // What the listeners print of other packets may hold any byte; a line of ours is whole.
  const odd = [...heard].filter((line) => /^<.*>$/u.test(line) && !controls.some((control) => line === `<${control}>`));
  expect(odd).toEqual([]);
});
