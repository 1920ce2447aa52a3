/** Made-up packets of containers under random policies: whatever arrives anywhere was allowed by judge(). */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { linkLocalOf } from '../../src/dataplane/elements/egress.ts';
import { onLinkNetworks } from '../../src/egress/on-link.ts';
import { parsePolicy } from '../../src/egress/parse.ts';
import type { Policy } from '../../src/egress/policy.ts';
import { isLong } from '../faults/network.ts';
import { seeded } from '../faults/random.ts';
import { count } from '../faults/tally.ts';
import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../helpers/host.ts';
import { randomPolicy } from '../egress/random-policy.ts';
import { hostLocal, interfaceConf, show } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, makeWorld, world } from '../plugins/egress-policy/network.ts';
import { mayReach, mustReach, type Ground, type Place } from './random-packets/expected.ts';
import { randomPacket, type End, type Flow, type Knowledge, type RandomPacket } from './random-packets/packet.ts';

const firstSeed = Number(process.env['DRAWBRIDGE_SEED'] ?? 1);
/** Containers for each form, one after the other on one host, each under a policy of its own. */
const containers = isLong ? 60 : 2;
const packetsEach = 350;

const outsideAddresses = [
  ...Object.values(world),
  '10.1.2.3',
  '192.168.7.7',
  '2606:4700::1111',
  '2001:db8::10',
  'fd00:1::3',
  'fd00:ec2::254',
  '64:ff9b::a07:707',
  '64:ff9b::808:808',
  '2002:a07:707::1',
  '2002:808:808::1',
];

/** How the container that sends is attached. */
interface Form {
  readonly isRouted: boolean;
  readonly list: (policy: Json | undefined) => Conflist;
}

function bridged(policy: Json | undefined, changes: Json = {}): Conflist {
  return listOf(interfaceConf(changes), policy, 'egress');
}

function routed(policy: Json | undefined): Conflist {
  const { bridge: _, hairpinMode: __, ...conf } = interfaceConf({ routed: true });
  return listOf(conf, policy, 'egress');
}

const forms: Readonly<Record<string, Form>> = {
  'on a bridge, in one process': { isRouted: false, list: bridged },
  'on a bridge, in a chain': { isRouted: false, list: (policy) => listOf(interfaceConf(), policy, 'chain') },
  'behind a routed veth': { isRouted: true, list: routed },
};

function listOf({ cniVersion, name, ...conf }: Json, policy: Json | undefined, how: 'egress' | 'chain'): Conflist {
  const capabilities = { portMappings: true };
  const plugins =
    how === 'chain'
      ? [{ ...conf, capabilities }, ...(policy === undefined ? [] : [{ type: 'egress-policy', ...policy }])]
      : [{ ...conf, capabilities, ...(policy === undefined ? {} : { egress: policy }) }];
  return { cniVersion: cniVersion as string, name: name as string, plugins };
}

/** A policy as one writes it, with the keys that say who talks to whom. */
const anyPolicy = fc
  .tuple(
    randomPolicy,
    fc.record(
      {
        isolation: fc.constantFrom('container', 'bridge', 'none'),
        onDeny: fc.constantFrom('reject', 'drop'),
        ipv6: fc.constantFrom('filter', 'filter', 'filter', 'disable'),
        audit: fc.constantFrom(false, false, false, false, true),
      },
      { requiredKeys: ['isolation'] },
    ),
    fc.uniqueArray(
      fc.constantFrom(
        '10.1.0.0/24',
        '[fd01::]/64:80',
        '10.1.0.3:80/tcp',
        '10.1.0.2/31',
        '10.1.0.0/24/icmp',
        '[fd01::]/64/udp',
      ),
      { maxLength: 2 },
    ),
  )
  .map(([{ allow, deny = [], ...policy }, more, within]): Json => ({
    ...policy,
    ...(policy.mode === 'allowlist' ? { allow } : {}),
    deny: [...deny, ...within],
    ...more,
  }));

/** The host, its outside, and containers of every sort beside the one that sends. */
interface Scene {
  readonly host: Host;
  readonly hostMac: string;
  readonly others: readonly Sibling[];
  readonly outside: Container;
}

interface Sibling {
  readonly container: Container;
  readonly end: End;
  readonly isNear: boolean;
  readonly policy: Policy | undefined;
}

async function makeScene(host: Host, form: Form): Promise<Scene> {
  const outside = await makeWorld(host);
  await outside.address(...outsideAddresses.filter((one) => !Object.values(world).includes(one)));
  await host.sh('sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0');
  const add = async (
    list: Conflist,
    policy: Json | undefined,
    isNear: boolean,
    ports: Json[] = [],
  ): Promise<Sibling> => {
    const container = await addContainer(host, list, { runtimeConfig: { portMappings: ports } });
    const end = await endOf(host, container, container.result);
    return { container, end, isNear, policy: policy === undefined ? undefined : parsePolicy(policy, '') };
  };
  const [open, plain] = [{ mode: 'open', isolation: 'bridge' }, {}];
  const away = { name: 'away', bridge: 'br2', ipam: hostLocal('10.2.0.0/24', 'fd02::/64') };
  const awayPolicy = { mode: 'open', ingress: 'open' };
  const ports = [
    { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
    { hostPort: 5353, containerPort: 53, protocol: 'udp' },
  ];
  const others = [
    await add(form.list(open), open, true, ports),
    await add(form.list(plain), plain, true),
    await add(form.list(undefined), undefined, true),
    await add(bridged(awayPolicy, away), awayPolicy, false),
  ];
  return { host, outside, others, hostMac: await macOf(host, host, 'eth0') };
}

async function macOf(host: Host, where: Host | Container, name: string): Promise<string> {
  return String((await show(host, where, 'link', name))['address']);
}

async function endOf(host: Host, container: Container, result: Json): Promise<End> {
  const mac = await macOf(host, container, 'eth0');
  return { mac, ip4: addressOf(result, 4), ip6: addressOf(result, 6), fe80: linkLocalOf(mac) };
}

/** The sender as it is attached now, with what it knows and what it is judged by. */
async function groundOf(
  scene: Scene,
  form: Form,
  added: Container & { result: Json },
  policy: Policy,
): Promise<Ground> {
  const { host, others } = scene;
  const interfaces = added.result['interfaces'] as { name: string }[];
  const hostEnd = form.isRouted ? (interfaces.at(-2)?.name ?? '') : 'br0';
  const gatewayMac = await macOf(host, host, hostEnd);
  const gateway: End = { mac: gatewayMac, ip4: '10.1.0.1', ip6: 'fd01::1', fe80: linkLocalOf(gatewayMac) };
  const bare = { isolation: 'container', ingress: 'open', audit: false } as const;
  return {
    own: await endOf(host, added, added.result),
    gateway,
    isRouted: form.isRouted,
    policy,
    surroundings: {
      gateways: [gateway.ip4, gateway.ip6],
      hostAddresses: await hostAddresses(host),
      siblings: others.flatMap(({ end, isNear, policy: theirs }) =>
        [end.ip4, end.ip6].map((address) => ({
          address,
          sameBridge: isNear,
          isRouted: form.isRouted,
          policy: theirs ?? bare,
        })),
      ),
      published: [
        { protocol: 'tcp', port: 8080 },
        { protocol: 'udp', port: 5353 },
      ],
      onLink: onLinkNetworks(['192.0.2.1/24', '2001:db8:ffff::1/64']),
    },
    places: [
      { name: 'outside' },
      { name: 'host' },
      ...others.map(({ container, end, isNear }): Place => ({ name: container.name, end: { ...end, isNear } })),
    ],
    publisher: others[0]?.container.name ?? '',
    outside: outsideAddresses,
  };
}

async function hostAddresses(host: Host): Promise<string[]> {
  const links = JSON.parse(await host.run(['ip', '-json', 'address', 'show'])) as { addr_info: { local: string }[] }[];
  return links.flatMap(({ addr_info: infos }) => infos.map(({ local }) => local));
}

function knowledgeOf(
  { own, gateway, isRouted, surroundings }: Ground,
  { others }: Scene,
  flows: readonly Flow[],
): Knowledge {
  const ends = others.map(({ end }) => end);
  return {
    own,
    gateway,
    isRouted,
    others: ends,
    flows,
    destinations: [
      ...outsideAddresses,
      '192.0.2.2',
      '2001:db8:ffff::2',
      ...surroundings.hostAddresses,
      ...surroundings.gateways,
      ...surroundings.gateways,
      ...[...ends, ...ends.slice(0, 2)].flatMap(({ ip4, ip6 }) => [ip4, ip6]),
    ],
  };
}

const program = readFileSync(new URL('random-packets/packets.py', import.meta.url), 'utf8');

/** Who heard which packet: { "17": ["outside", "c1 late"] }. */
type Heard = Readonly<Record<string, readonly string[]>>;

async function send(
  { host, outside, others }: Scene,
  sender: Container,
  packets: readonly RandomPacket[],
  flows: readonly (Flow & { readonly netns: string | null })[],
): Promise<Heard> {
  const places = Object.fromEntries([
    ['outside', outside.netns],
    ['host', null],
    ...others.map(({ container }) => [container.name, container.netns]),
  ]);
  await host.run(['sh', '-c', 'cat > /run/packets.py'], { input: program });
  const input = JSON.stringify({ sender: sender.netns, places, packets, flows, pause: 0.002, patience: 0.4 });
  return JSON.parse(await host.run(['/usr/bin/python3', '/run/packets.py'], { input, timeout: 60_000 })) as Heard;
}

/** Flows that a container might quote, or send inside of: its own, a sibling's and the host's. */
function flowsOf(own: End, sender: Container, { others, host }: Scene): (Flow & { readonly netns: string | null })[] {
  const [sibling] = others;
  const of = (source: string, destination: string, sport: number, netns: string | null) => ({
    source,
    sport,
    destination,
    port: 53,
    netns,
  });
  return [
    of(own.ip4, world.public4, 4002, sender.netns),
    of(sibling?.end.ip4 ?? '', world.public4, 4000, sibling?.container.netns ?? null),
    of(sibling?.end.ip6 ?? '', world.public6, 4000, sibling?.container.netns ?? null),
    of('192.0.2.1', world.public4, 4001, host.netns ?? null),
    of('2001:db8:ffff::1', world.public6, 4001, host.netns ?? null),
  ];
}

/** A packet in one line, without what is as usual. */
function textOf({ tags, extras, cut, kind, hops, ...rest }: RandomPacket): string {
  return JSON.stringify({
    ...rest,
    ...(kind === 'ip' ? {} : { kind }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(extras.length === 0 ? {} : { extras }),
    ...(cut === 'whole' ? {} : { cut }),
    ...(hops === 64 ? {} : { hops }),
  });
}

/** What was heard that may not be, and by whom. */
function wrongOf(packets: readonly RandomPacket[], heard: Heard, ground: Ground): string[] {
  return packets.flatMap((packet) =>
    (heard[String(packet.id)] ?? []).flatMap((word) => {
      const [name = '', late] = word.split(' ');
      const place = ground.places.find((one) => one.name === name);
      if (place === undefined) throw new Error(`${name} is no place`);
      return mayReach(packet, place, late !== undefined, ground) ? [] : [`${word} heard ${textOf(packet)}`];
    }),
  );
}

function missingOf(packets: readonly RandomPacket[], heard: Heard, ground: Ground): RandomPacket[] {
  return packets.filter((packet) => {
    const place = mustReach(packet, ground);
    return place !== undefined && heard[String(packet.id)]?.includes(place) !== true;
  });
}

/** Neighbours that the host believes to be at the sender's MAC though they are not, and the sender's at another's. */
async function poisoned({ host }: Scene, { own }: Ground): Promise<string[]> {
  const entries = JSON.parse(await host.run(['ip', '-json', 'neigh', 'show'])) as { dst: string; lladdr?: string }[];
  const addresses = [own.ip4, own.ip6, own.fe80];
  return entries
    .filter(({ dst, lladdr }) => lladdr !== undefined && (lladdr === own.mac) !== addresses.includes(dst))
    .map(({ dst, lladdr }) => `${dst} at ${lladdr}`);
}

describe.for(Object.keys(forms))('%s', (name) => {
  test(
    `nothing arrives of what a container makes up but what judge() allows, and that arrives (seed ${firstSeed})`,
    {
      timeout: isLong ? 1_200_000 : 120_000,
      retry: 0,
    },
    async ({ host, task }) => {
      const form = forms[name];
      if (form === undefined) throw new Error(name);
      const scene = await makeScene(host, form);
      let [arrived, awaited] = [0, 0];
      for (let seed = firstSeed; seed < firstSeed + containers; seed++) {
        const random = seeded(seed * 7919 + Object.keys(forms).indexOf(name));
        const [raw = {}] = fc.sample(anyPolicy, { seed, numRuns: 1 });
        const list = form.list(raw);
        const sender = await addContainer(host, list);
        const ground = await groundOf(scene, form, sender, parsePolicy(raw, ''));
        const flows = flowsOf(ground.own, sender, scene);
        const known = knowledgeOf(ground, scene, flows);
        // What the host still says to an earlier sender, half a minute later, quotes other numbers.
        const first = 1 + (seed - firstSeed) * 1000;
        const packets = Array.from({ length: packetsEach }, (_, index) => randomPacket(first + index, known, random));
        const heard = await send(scene, sender, packets, flows);
        const about = `seed ${seed}, policy ${JSON.stringify(raw)}`;
        expect(wrongOf(packets, heard, ground), about).toEqual([]);
        expect(await poisoned(scene, ground), about).toEqual([]);
        const must = packets.filter((packet) => mustReach(packet, ground) !== undefined);
        // A busy machine loses a packet; what a rule holds back it holds back twice.
        const missing = missingOf(packets, heard, ground).map((packet) => ({
          ...packet,
          id: packet.id + 500,
          ...(packet.sport === undefined ? {} : { sport: packet.sport + 1 }),
        }));
        const again = missing.length === 0 ? {} : await send(scene, sender, missing, []);
        expect(missingOf(missing, again, ground).map(textOf), about).toEqual([]);
        arrived += Object.keys(heard).length;
        awaited += must.length;
        await host.delChain(list, { container: sender });
        await sender.remove();
      }
      expect(awaited).toBeGreaterThan(containers * 5);
      count(
        { task },
        { 'made-up packets sent': containers * packetsEach, 'of them arrived': arrived, 'had to arrive': awaited },
      );
    },
  );
});
