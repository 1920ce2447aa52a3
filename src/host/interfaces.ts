import { readFileSync } from 'node:fs';
import type { AttachmentState, InterfaceState, LinkState } from '../links/state.ts';
import { showJson, showJsonNow, type Where } from './ip.ts';
import { readInterfaceOf, readLinkOf, readLinksOf, readNow, readWith } from './netlink/read.ts';
import { readRoutes } from './routes.ts';

/** Reads everything of one attachment that is made of links. Throws code 8 when the namespace is gone. */
export async function readAttachment(names: {
  /** Absent where a tap on the host is all there is. */
  readonly inside?: { readonly netns: string; readonly ifname: string };
  readonly hostInterface: string;
  /** "" of a routed container. */
  readonly bridge: string;
  readonly gatewayInterface: string;
}): Promise<AttachmentState> {
  const { inside, hostInterface, bridge, gatewayInterface } = names;
  const end = inside === undefined ? undefined : readInterface(inside.ifname, { netns: inside.netns });
  const ways = inside === undefined ? [] : readRoutes(inside.ifname, { netns: inside.netns });
  if (bridge === '') {
    const [container, routes, host, hostRoutes] = await Promise.all([
      end,
      ways,
      readInterface(hostInterface),
      readRoutes(hostInterface),
    ]);
    return { container, routes, host, bridge: undefined, gateway: host, hostRoutes };
  }
  const [container, routes, host, bridgeState, gateway] = await Promise.all([
    end,
    ways,
    readInterface(hostInterface),
    readInterface(bridge),
    gatewayInterface === bridge ? undefined : readInterface(gatewayInterface),
  ]);
  return { container, routes, host, bridge: bridgeState, gateway: gatewayInterface === bridge ? bridgeState : gateway };
}

/** Reads one interface; undefined when there is none of that name. */
export async function readInterface(name: string, where: Where = {}): Promise<InterfaceState | undefined> {
  const read = await readWith(where.netns, (conversation) => readInterfaceOf(conversation, name));
  return read === undefined ? showInterface(name, where) : read.value;
}

/**
 * Finds an interface of the namespace that this process works in; undefined when the kernel says that there is none of
 * that name. The one place that answers "is it there": the kernel is asked by netlink. sysfs would tell of the
 * namespace in which it was mounted, which is another one after `nsenter -n`, and where a runtime keeps containers in a
 * namespace of its own.
 *
 * Throws code 100 when it cannot be told.
 */
export function findLink(name: string): LinkState | undefined {
  if (name === '') return undefined;
  const read = readNow((conversation) => readLinkOf(conversation, name));
  if (read !== undefined) return read.value;
  const [shown] = (showJsonNow(['-details', 'link', 'show', 'dev', name]) ?? []) as ShownInterface[];
  return shown?.ifname === undefined ? undefined : linkOf(shown);
}

/**
 * Whether there is an interface of that name in the namespace that this process works in. Throws as {@link findLink}.
 */
export function isLinkThere(name: string): boolean {
  return findLink(name) !== undefined;
}

/** All interfaces of the namespace that this process works in. Throws as {@link findLink}. */
export function listLinks(): LinkState[] {
  const read = readNow(readLinksOf);
  if (read !== undefined) return read.value;
  return (showJsonNow(['-details', 'link', 'show']) as ShownInterface[]).map(linkOf);
}

async function showInterface(name: string, where: Where): Promise<InterfaceState | undefined> {
  const [shown] = ((await showJson(['-details', 'address', 'show', 'dev', name], where)) ?? []) as ShownInterface[];
  if (shown?.ifname === undefined) return undefined;
  return {
    ...linkOf(shown),
    addresses: (shown.addr_info ?? []).map(({ local, prefixlen, scope, tentative, dadfailed }) => ({
      address: `${local}/${prefixlen}`,
      scope: scope ?? '',
      tentative: tentative ?? false,
      dadfailed: dadfailed ?? false,
    })),
  };
}

function linkOf(shown: ShownInterface): LinkState {
  const port = shown.linkinfo?.info_slave_kind === 'bridge' ? shown.linkinfo.info_slave_data : undefined;
  const mask = shown.linkinfo?.info_kind === 'bridge' ? shown.linkinfo.info_data?.group_fwd_mask : undefined;
  return {
    name: shown.ifname ?? '',
    index: shown.ifindex ?? 0,
    kind: shown.linkinfo?.info_kind ?? '',
    mac: shown.address ?? '',
    mtu: shown.mtu ?? 0,
    isUp: shown.flags?.includes('UP') ?? false,
    isPromiscuous: shown.flags?.includes('PROMISC') ?? false,
    operState: shown.operstate?.toLowerCase() ?? 'unknown',
    ...(shown.link_index === undefined ? {} : { otherEnd: shown.link_index }),
    ...(shown.link_netnsid === undefined ? {} : { netnsId: shown.link_netnsid }),
    ...(shown.master === undefined ? {} : { master: shown.master }),
    ...(port?.state === undefined ? {} : { portState: port.state }),
    // iproute2 writes it as text in base 16.
    ...(mask === undefined ? {} : { groupForwardMask: Number(mask) }),
    group: Number(shown.group ?? 0) || 0,
    hairpin: port?.hairpin ?? false,
    isolated: port?.isolated ?? false,
    learns: port?.learning ?? false,
  };
}

/**
 * Index of an interface of this process's namespace that is up, without a child process; undefined also when
 * it cannot be told.
 *
 * /proc/net is always that of the reader. An interface that is up has joined a multicast group, so it has a line here.
 */
export function indexOfUpInterface(name: string): number | undefined {
  for (const text of readLines('/proc/net/dev_mcast')) {
    const [index, interfaceName] = text.trim().split(/\s+/u);
    if (interfaceName === name) return Number(index);
  }
  return undefined;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}

/** What iproute2 6.1 prints. */
interface ShownInterface {
  ifname?: string;
  ifindex?: number;
  address?: string;
  mtu?: number;
  flags?: string[];
  master?: string;
  operstate?: string;
  group?: string;
  link_index?: number;
  link_netnsid?: number;
  linkinfo?: {
    info_kind?: string;
    info_data?: { group_fwd_mask?: string | number };
    info_slave_kind?: string;
    info_slave_data?: { state?: string; hairpin?: boolean; learning?: boolean; isolated?: boolean };
  };
  addr_info?: { local: string; prefixlen: number; scope?: string; tentative?: boolean; dadfailed?: boolean }[];
}
