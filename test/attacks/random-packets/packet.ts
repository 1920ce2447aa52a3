/** Packets that a container might make up, as values: packets.py makes frames of them. */
import { pick } from '../../faults/random.ts';

/** A frame, with everything that decides what may become of it. */
export interface RandomPacket {
  /** Stands in its payload, so that whoever sees a piece of it knows it. */
  readonly id: number;
  readonly kind: 'ip' | 'arp' | 'neighbour' | 'ethertype';
  readonly fromMac: string;
  readonly toMac: string;
  /** Numbers of VLAN tags, the outer one first. */
  readonly tags: readonly number[];
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** IP protocol number; of an ethertype its number. */
  readonly number: number;
  readonly port?: number;
  readonly sport?: number;
  /** Of TCP, as letters. */
  readonly flags?: string;
  /** Of ICMP, ARP (the operation) and neighbour discovery. */
  readonly type?: number;
  /** Address that ARP or neighbour discovery speaks of. */
  readonly target?: string;
  /** Who ARP or neighbour discovery says has the address. */
  readonly claimedMac?: string;
  /** The flow that an ICMP error is about: a datagram that came to the container, or did not. */
  readonly quote?: Flow;
  readonly extras: readonly Extra[];
  /** The further address of a source route or routing header. */
  readonly via?: string;
  readonly cut: Cut;
  readonly hops: number;
}

/** What is in a header beside what has to be. */
export type Extra = 'lsrr' | 'ssrr' | 'alert' | 'record' | 'timestamp' | 'hop' | 'destination' | 'routing' | 'atomic';

/** How a datagram is cut into fragments. "tiny": the first one ends after eight bytes of the transport's header. */
export type Cut = 'whole' | 'ordered' | 'reversed' | 'tiny' | 'first alone' | 'late alone';

/** A datagram of UDP. */
export interface Flow {
  readonly source: string;
  readonly sport: number;
  readonly destination: string;
  readonly port: number;
}

/** An end of a link that has addresses. */
export interface End {
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
  readonly fe80: string;
}

/** What a container knows, or may guess, when it makes up packets. */
export interface Knowledge {
  readonly own: End;
  readonly gateway: End;
  readonly isRouted: boolean;
  /** Others on its link, behind other bridges, and whoever else has a MAC. */
  readonly others: readonly End[];
  /** Addresses of every sort that something may answer at. */
  readonly destinations: readonly string[];
  /** Flows that are there: its own first. */
  readonly flows: readonly Flow[];
}

const groups = ['224.0.0.1', '224.0.0.2', '224.0.0.251', '239.1.1.1', '255.255.255.255', '10.1.0.255'];
const groups6 = ['ff02::1', 'ff02::2', 'ff02::16', 'ff02::fb', 'ff05::1:3', 'ff0e::1'];
const groupMacs = [
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '01:00:5e:00:00:fb',
  '33:33:00:00:00:01',
  '33:33:00:00:00:fb',
  '01:80:c2:00:00:00',
  '01:80:c2:00:00:0e',
];
const ports = [22, 53, 67, 79, 80, 123, 443, 547, 5353, 8080, 10_250, 53_000];
const sourcePorts = [53, 67, 80, 443, 547, 4000, 4001, 5353];
/** ICMP, IGMP, IPIP, TCP, UDP, DCCP, IPv6, GRE, ESP, AH, OSPF, PIM, VRRP, SCTP, UDP-Lite, an experiment. */
const numbers = [1, 2, 4, 6, 17, 33, 41, 47, 50, 51, 89, 103, 112, 132, 136, 253];
const errors = { 4: [3, 4, 5, 11, 12], 6: [1, 2, 3, 4] } as const;
const others = { 4: [0, 8, 8, 8, 9, 10, 13, 15, 17], 6: [128, 128, 128, 129, 130, 131, 132, 139, 143, 151] } as const;

/** One packet; of two in five nothing is odd. */
export function randomPacket(id: number, known: Knowledge, random: () => number): RandomPacket {
  const odd = random();
  if (odd < 0.4) return plainPacket(id, known, random);
  if (odd < 0.46) return arpPacket(id, known, random);
  if (odd < 0.54) return neighbourPacket(id, known, random);
  if (odd < 0.57) return ethertypePacket(id, known, random);
  return oddPacket(id, known, random);
}

/** What any program sends: a first segment, a datagram, an echo request. */
function plainPacket(id: number, known: Knowledge, random: () => number): RandomPacket {
  const destination = oneOf(known.destinations, random);
  const family = destination.includes(':') ? 6 : 4;
  const number = oneOf([6, 6, 6, 17, 17, 17, 17, 132, family === 4 ? 1 : 58], random);
  const near = known.others.find(({ ip4, ip6 }) => ip4 === destination || ip6 === destination);
  return {
    ...bare(id, known, family),
    destination,
    toMac: near !== undefined && !known.isRouted && random() < 0.7 ? near.mac : known.gateway.mac,
    ...transport(number, family, random, true),
    cut: number !== 132 && random() < 0.08 ? oneOf(['ordered', 'reversed'], random) : 'whole',
  };
}

/** A plain packet of which one to three things are changed. */
function oddPacket(id: number, known: Knowledge, random: () => number): RandomPacket {
  const family = random() < 0.5 ? 4 : 6;
  const sameFamily = known.destinations.filter((one) => one.includes(':') === (family === 6));
  const destination = random() < 0.15 ? oneOf(family === 4 ? groups : groups6, random) : oneOf(sameFamily, random);
  const start: RandomPacket = {
    ...plainPacket(id, known, random),
    ...bare(id, known, family),
    destination,
    ...transport(oneOf(numbers, random), family, random, false),
    cut: 'whole',
  };
  return Array.from({ length: 1 + Math.floor(random() * 3) }).reduce<RandomPacket>(
    (packet) => oneOf(changes, random)(packet, known, random),
    start,
  );
}

type Change = (packet: RandomPacket, known: Knowledge, random: () => number) => RandomPacket;

const changes: readonly Change[] = [
  (packet, known, random) => ({ ...packet, source: anyAddress(packet.family, known, random) }),
  (packet, known, random) => {
    const victim = oneOf(known.others, random);
    return { ...packet, fromMac: victim.mac, source: packet.family === 4 ? victim.ip4 : victim.ip6 };
  },
  (packet, known, random) => ({ ...packet, fromMac: oneOf([...macsOf(known), '02:00:00:00:77:77'], random) }),
  (packet, known, random) => ({ ...packet, toMac: oneOf([...macsOf(known), ...groupMacs], random) }),
  (packet, _, random) => ({ ...packet, tags: random() < 0.7 ? [oneOf([0, 1, 5, 4094], random)] : [5, 5] }),
  (packet, _, random) => ({ ...packet, hops: oneOf([1, 2, 255], random) }),
  (packet, _, random) => ({
    ...packet,
    cut: oneOf(['ordered', 'reversed', 'tiny', 'first alone', 'late alone'], random),
  }),
  (packet, known, random) => ({
    ...packet,
    via: anyAddress(packet.family, known, random),
    extras: [
      oneOf(
        packet.family === 4
          ? (['lsrr', 'ssrr', 'alert', 'record', 'timestamp'] as const)
          : (['hop', 'alert', 'destination', 'routing', 'atomic'] as const),
        random,
      ),
    ],
  }),
  (packet, known, random) => {
    const { source, sport, destination, port } = oneOf(known.flows, random);
    const isSix = source.includes(':');
    if (isSix !== (packet.family === 6)) return packet;
    const { type: _, flags: __, ...rest } = packet;
    return { ...rest, number: 17, source, sport, destination, port };
  },
  (packet, known, random) => {
    const quotes = known.flows.filter(({ source }) => source.includes(':') === (packet.family === 6));
    const { port: _, sport: __, flags: ___, ...rest } = packet;
    return {
      ...rest,
      number: packet.family === 4 ? 1 : 58,
      type: oneOf<number>(errors[packet.family], random),
      ...(quotes.length === 0 || random() < 0.1 ? {} : { quote: oneOf(quotes, random) }),
      ...(quotes.length > 0 && random() < 0.6 ? { destination: oneOf(quotes, random).destination } : {}),
    };
  },
];

function arpPacket(id: number, known: Knowledge, random: () => number): RandomPacket {
  return {
    ...bare(id, known, 4),
    kind: 'arp',
    toMac: oneOf(['ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff', ...macsOf(known)], random),
    fromMac: random() < 0.8 ? known.own.mac : oneOf(macsOf(known), random),
    claimedMac: random() < 0.8 ? known.own.mac : oneOf(macsOf(known), random),
    source: oneOf([known.own.ip4, known.own.ip4, '0.0.0.0', ...fours(known)], random),
    target: oneOf(fours(known), random),
    type: oneOf([1, 1, 2], random),
  };
}

/** Solicitations, advertisements, what routers say, and reports of groups. */
function neighbourPacket(id: number, known: Knowledge, random: () => number): RandomPacket {
  const six = [known.own.ip6, known.own.fe80, known.gateway.ip6, ...known.others.map(({ ip6 }) => ip6)];
  return {
    ...bare(id, known, 6),
    kind: 'neighbour',
    number: 58,
    hops: random() < 0.9 ? 255 : 64,
    toMac: oneOf(['33:33:00:00:00:01', '33:33:00:00:00:02', ...macsOf(known)], random),
    fromMac: random() < 0.85 ? known.own.mac : oneOf(macsOf(known), random),
    source: oneOf([known.own.ip6, known.own.fe80, '::', ...six], random),
    destination: oneOf(['ff02::1', 'ff02::2', 'ff02::16', ...six], random),
    target: oneOf(six, random),
    claimedMac: oneOf(macsOf(known), random),
    type: oneOf([130, 131, 132, 133, 134, 135, 135, 136, 136, 137, 143], random),
    extras: random() < 0.1 ? ['destination'] : [],
  };
}

function ethertypePacket(id: number, known: Knowledge, random: () => number): RandomPacket {
  return {
    ...bare(id, known, 4),
    kind: 'ethertype',
    number: oneOf([0x0600, 0x8035, 0x8847, 0x8863, 0x8864, 0x888e, 0x88b5, 0x88cc, 0x88f7], random),
    toMac: oneOf([...macsOf(known), ...groupMacs], random),
  };
}

function bare(id: number, { own, gateway }: Knowledge, family: 4 | 6): RandomPacket {
  return {
    id,
    kind: 'ip',
    fromMac: own.mac,
    toMac: gateway.mac,
    tags: [],
    family,
    source: family === 4 ? own.ip4 : own.ip6,
    destination: family === 4 ? gateway.ip4 : gateway.ip6,
    number: 17,
    extras: [],
    cut: 'whole',
    hops: 64,
  };
}

function transport(
  number: number,
  family: 4 | 6,
  random: () => number,
  isPlain: boolean,
): Pick<RandomPacket, 'number' | 'port' | 'sport' | 'flags' | 'type'> {
  if (number === 1 || number === 58) {
    const type = isPlain ? (family === 4 ? 8 : 128) : oneOf<number>(others[family], random);
    return { number: family === 4 ? 1 : 58, type };
  }
  if (![6, 17, 132, 33, 136].includes(number)) return { number };
  // A port for each packet: what is sent first does not say of what is sent later that it belongs to a connection.
  const free = 10_000 + Math.floor(random() * 50_000);
  return {
    number,
    port: oneOf(ports, random),
    sport: !isPlain && random() < 0.3 ? oneOf(sourcePorts, random) : free,
    ...(number === 6 ? { flags: isPlain ? 'S' : oneOf(['S', 'A', 'SA', 'PA', 'F', 'R', 'FPU', ''], random) } : {}),
  };
}

function anyAddress(family: 4 | 6, known: Knowledge, random: () => number): string {
  const mine = [known.gateway, ...known.others].map(({ ip4, ip6 }) => (family === 4 ? ip4 : ip6));
  const far = known.destinations.filter((one) => one.includes(':') === (family === 6));
  const odd =
    family === 4 ? ['0.0.0.0', '127.0.0.1', '10.1.0.200', '224.0.0.1'] : ['::', '::1', 'fd01::200', 'ff02::1'];
  return oneOf([...mine, ...mine, ...far, ...odd], random);
}

function macsOf({ own, gateway, others: ends }: Knowledge): string[] {
  return [own, gateway, ...ends].map(({ mac }) => mac);
}

function fours({ own, gateway, others: ends }: Knowledge): string[] {
  return [own, gateway, ...ends].map(({ ip4 }) => ip4);
}

function oneOf<T>(items: readonly T[], random: () => number): T {
  const found = pick(items, random);
  if (found === undefined) throw new RangeError('Cannot choose one of nothing');
  return found;
}
