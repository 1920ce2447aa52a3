import { isPlainWord, requirePlainWord } from './plain-word.ts';
import type {
  BridgeSettings,
  FilterPlace,
  LinkCommand,
  LinkCommandKind,
  LinkSettings,
  NewAddress,
  ProhibitingRule,
  Route,
  VethEnd,
} from './command.ts';

/** The program that reads a line, and its options: a line of `ip` cannot name its family itself. */
export interface Tool {
  readonly program: 'ip' | 'bridge' | 'tc';
  readonly options: readonly string[];
}

/** A command as one line of `ip -batch`, or of the program of {@link toolOf}, for people. */
export function textOf(command: LinkCommand): string {
  return wordsOf(command).map(quoted).join(' ');
}

/**
 * Commands as what the program of {@link toolOf} reads with `-batch`. Throws code 4 for a value that it would read as
 * more than one word.
 */
export function batchOf(commands: readonly LinkCommand[]): string {
  return commands.map((command) => `${wordsOf(command).map(checkedWord).join(' ')}\n`).join('');
}

export function toolOf(command: LinkCommand): Tool {
  if ('preference' in command && 'family' in command) return { program: 'ip', options: [`-${command.family}`] };
  return { program: programs[command.kind] ?? 'ip', options: [] };
}

/** A command as a person types it. */
export function shellTextOf(command: LinkCommand): string {
  const { program, options } = toolOf(command);
  return [program, ...options, textOf(command)].join(' ');
}

/** Those that `ip` does not read. */
const programs: { readonly [Kind in LinkCommandKind]?: Tool['program'] } = {
  replaceStaticMac: 'bridge',
  addPortVlans: 'bridge',
  deletePortVlan: 'bridge',
  replaceTokenBucket: 'tc',
  addFilterQueue: 'tc',
  deleteQueue: 'tc',
  redirectIncoming: 'tc',
  deleteRedirection: 'tc',
  replaceFilter: 'tc',
  deleteFilter: 'tc',
};

type Words = readonly (string | number)[];

function wordsOf<Kind extends LinkCommandKind>(command: LinkCommand<Kind>): string[] {
  return sentences[command.kind](command);
}

const sentences: { readonly [Kind in LinkCommandKind]: (command: LinkCommand<Kind>) => string[] } = {
  addBridge: ({ name, mac }) => words`link add name ${name} address ${mac} type bridge`,
  addVeth: ({ end, peer }) => words`link add ${wordsOfEnd(end)} type veth peer ${wordsOfEnd(peer)}`,
  addTap: ({ name, owner, group, multiQueue = false, vnetHeader = false }) =>
    words`tuntap add dev ${name} mode tap ${option('user', owner)} ${option('group', group)} ${multiQueue ? ['multi_queue'] : []} ${vnetHeader ? ['vnet_hdr'] : []}`,
  addIfb: ({ name, mac, mtu }) => words`link add name ${name} address ${mac} mtu ${mtu} type ifb`,
  setLink: (command) => words`link set dev ${command.name} ${wordsOfSettings(command)}`,
  setBridge: (command) => words`link set dev ${command.name} type bridge ${wordsOfBridge(command)}`,
  setPort: ({ name, hairpin, isolated, learning }) =>
    words`link set dev ${name} type bridge_slave ${onOff('hairpin', hairpin)} ${onOff('isolated', isolated)} ${onOff('learning', learning)} ${onOff('flood', learning)}`,
  deleteLink: ({ name }) => words`link del dev ${name}`,
  replaceAddress: (command) => words`address replace ${wordsOfAddress(command)}`,
  deleteAddress: ({ name, address }) => words`address del ${address} dev ${name}`,
  replaceNeighbour: ({ name, address, mac, isPermanent = false }) =>
    words`neighbour replace ${address} lladdr ${mac} dev ${name} nud ${isPermanent ? 'permanent' : 'reachable'}`,
  replaceStaticMac: ({ name, mac }) => words`fdb replace ${mac} dev ${name} master static`,
  addRoute: (route) => words`route add ${wordsOfRoute(route)}`,
  appendRoute: (route) => words`route append ${wordsOfRoute(route)}`,
  prependRoute: (route) => words`route prepend ${wordsOfRoute(route)}`,
  replaceRoute: (route) => words`route replace ${wordsOfRoute(route)}`,
  deleteRoute: (route) => words`route del ${wordsOfRoute(route)}`,
  addPortVlans: ({ name, first, last, isNative = false }) =>
    words`vlan add dev ${name} vid ${first === last ? first : `${first}-${last}`} ${isNative ? ['pvid', 'untagged'] : []}`,
  deletePortVlan: ({ name, vlan }) => words`vlan del dev ${name} vid ${vlan}`,
  addRule: (rule) => words`rule add ${wordsOfRule(rule)}`,
  deleteRule: (rule) => words`rule del ${wordsOfRule(rule)}`,
  // A manager of networks takes a rule of another protocol for one that somebody left.
  addLocalRule: ({ preference }) => words`rule add pref ${preference} lookup local protocol kernel`,
  deleteLocalRule: ({ preference }) => words`rule del pref ${preference} lookup local`,
  replaceTokenBucket: ({ name, rate, burst, limit }) =>
    words`qdisc replace dev ${name} root handle 1: tbf rate ${`${rate}bps`} burst ${burst} limit ${limit}`,
  addFilterQueue: ({ name, queue }) =>
    words`qdisc add dev ${name} ${queue === 'ingress' ? ['handle', 'ffff:', 'ingress'] : queue}`,
  deleteQueue: ({ name, queue }) => words`qdisc del dev ${name} ${queue}`,
  redirectIncoming: ({ name, to, preference }) =>
    words`filter add dev ${name} ingress protocol all prio ${preference} u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev ${to}`,
  deleteRedirection: ({ name, preference }) => words`filter del dev ${name} ingress prio ${preference}`,
  replaceFilter: ({ program, ...place }) => {
    const code = [program.length, ...program.map((instruction) => instruction.join(' '))].join(',');
    return words`filter replace ${wordsOfFilter(place)} direct-action bytecode ${code}`;
  },
  deleteFilter: (place) => words`filter del ${wordsOfFilter(place)}`,
};

/** Words: those between the values, each value as one, and a list as its words. */
function words(between: TemplateStringsArray, ...values: (string | number | Words)[]): string[] {
  return between.flatMap((text, place) => {
    const value = values[place] ?? [];
    return [...text.split(' ').filter((word) => word !== ''), ...[value].flat().map(String)];
  });
}

function wordsOfEnd({ name, netns, mtu, mac, master, group }: VethEnd): Words {
  return [
    'name',
    name,
    ...option('netns', netns),
    'mtu',
    mtu,
    'address',
    mac,
    ...option('master', master),
    ...option('group', group),
  ];
}

function wordsOfSettings(settings: LinkSettings): Words {
  const { mac, mtu, master, group, addressGeneration, promiscuous, allMulticast, queueLength, state } = settings;
  return [
    ...option('address', mac),
    ...option('mtu', mtu),
    ...option('master', master),
    ...option('group', group),
    ...option('addrgenmode', addressGeneration),
    ...onOff('promisc', promiscuous),
    ...onOff('allmulticast', allMulticast),
    ...option('txqueuelen', queueLength),
    ...(state === undefined ? [] : [state]),
  ];
}

function wordsOfBridge({ vlanFiltering, groupForwardMask }: BridgeSettings): Words {
  const filtering = vlanFiltering === undefined ? undefined : Number(vlanFiltering);
  return [...option('vlan_filtering', filtering), ...option('group_fwd_mask', groupForwardMask)];
}

function wordsOfAddress({ name, address, nodad = false }: NewAddress): Words {
  return [address, 'dev', name, ...(nodad ? ['nodad'] : [])];
}

function wordsOfRoute({ dst, via, dev, protocol, mtu, advmss, metric, table, scope, source }: Route): Words {
  return [
    dst,
    ...option('via', via),
    'dev',
    dev,
    ...option('proto', protocol),
    ...option('mtu', mtu),
    ...option('advmss', advmss),
    ...option('metric', metric),
    ...option('table', table),
    ...option('scope', scope),
    ...option('src', source),
  ];
}

function wordsOfRule({ preference, ingressInterface, mark, mask }: ProhibitingRule): Words {
  return ['pref', preference, ...option('iif', ingressInterface), 'fwmark', `${hex(mark)}/${hex(mask)}`, 'prohibit'];
}

function wordsOfFilter({ name, direction, preference }: FilterPlace): Words {
  return ['dev', name, direction, 'protocol', 'all', 'pref', preference, 'handle', 1, 'bpf'];
}

function option(word: string, value: string | number | undefined): Words {
  return value === undefined ? [] : [word, value];
}

function onOff(word: string, value: boolean | undefined): Words {
  return value === undefined ? [] : [word, value ? 'on' : 'off'];
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function quoted(word: string): string {
  return isPlainWord(word) ? word : `"${word}"`;
}

/** A program of a filter is one word with white space, and numbers alone. */
function checkedWord(word: string): string {
  if (!/^\d+(?:,\d+(?: \d+){3})+$/u.test(word)) requirePlainWord(word);
  return quoted(word);
}
