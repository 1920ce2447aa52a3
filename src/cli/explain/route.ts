import { gateMark } from '../../egress/marks.ts';
import { runIn } from '../../host/ip.ts';
import { netnsExists } from '../../host/netns.ts';
import { CommandError, run } from '../../host/run.ts';
import { saidBy } from '../../host/tool-error.ts';
import { readAnyAddress } from '../../ip/address.ts';
import { familyOf } from '../../ip/family.ts';
import type { Obstacle, Way } from './obstacle.ts';

/** What the container's own routes say: a packet without one never leaves it. Nothing where its namespace is gone. */
export async function routeInside({ record, address }: Pick<Way, 'record' | 'address'>): Promise<Obstacle[]> {
  const { netns, link, ifname } = record;
  if (!netnsExists(netns)) return [];
  try {
    await runIn(netns, 'ip', ['-json', 'route', 'get', address]);
    return [];
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
    const family = familyOf(address);
    const gateways = (link?.addresses ?? []).flatMap(({ gateway }) => gateway ?? []);
    const gateway = gateways.find((one) => familyOf(one) === family);
    const enter = `nsenter --net=${netns} ip ${family === 6 ? '-6 ' : ''}route`;
    return [
      {
        kind: 'route',
        what: `the container has no route to it: ${saidBy(error)}`,
        remedy: gateway === undefined ? `${enter} show` : `${enter} replace default via ${gateway} dev ${ifname}`,
      },
    ];
  }
}

/** How the host sends a packet on. */
export interface HostRoute {
  readonly isLocal: boolean;
  readonly type?: string;
  /** By which interface it leaves, and its answer comes in. */
  readonly dev?: string;
  readonly obstacle?: Obstacle;
}

/** Asks the kernel as for a packet that our rules have marked; whether the destination is the host itself. */
export async function findRoute({
  address,
  source,
  bridge,
}: {
  address: string;
  source: string;
  bridge: string;
}): Promise<HostRoute> {
  try {
    const { stdout } = await run('ip', [
      '-json',
      'route',
      'get',
      address,
      'from',
      source,
      'iif',
      bridge,
      'mark',
      String(gateMark),
    ]);
    const [route] = JSON.parse(stdout) as { type?: string; dev?: string }[];
    if (route?.type === 'local' || route?.type === 'broadcast') return { isLocal: true, type: route.type };
    if (route?.type === undefined || route.type === 'unicast')
      return { isLocal: false, ...(route?.dev === undefined ? {} : { dev: route.dev }) };
    return { isLocal: false, obstacle: noRoute(address, `the host's route to it is "${route.type}"`) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { isLocal: false, obstacle: noRoute(address, `the host has no route to it: ${saidBy(error)}`) };
  }
}

function noRoute(address: string, what: string): Obstacle {
  return { kind: 'route', what, remedy: `ip route get ${address}` };
}

/** Multicast and broadcast end at the bridge: the host forwards neither. */
export function manyObstacle(address: string, routeType: string | undefined): Obstacle[] {
  const { family, value } = readAnyAddress(address) ?? {};
  const isMulticast = family === 4 ? (value ?? 0n) >> 28n === 0xen : (value ?? 0n) >> 120n === 0xffn;
  if (!isMulticast && routeType !== 'broadcast' && address !== '255.255.255.255') return [];
  return [
    {
      kind: 'route',
      what: `it is a ${isMulticast ? 'multicast' : 'broadcast'} address, which the host does not forward: only what listens on the container's own bridge may hear it`,
      remedy: 'ask for the address of one destination',
      isAdvice: true,
    },
  ];
}
