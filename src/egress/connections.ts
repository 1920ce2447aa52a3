import { sha256 } from '../digest/sha256.ts';
import type { DataType } from '../nft/data.ts';
import type { SetDeclaration } from '../nft/declaration.ts';
import type { RuleGroup } from '../nft/group.ts';
import { policyChain } from './policy-names.ts';

const table = 'inet drawbridge';
const families = [4, 6] as const;

/** More than one host has containers. */
const size = 65_535;

/** Connections of one container where a host does not say how many it tracks: a sixteenth of 262,144. */
export const usualConnections = 16_384;

/** Fewer are no default: a build fetches hundreds of files at once. */
const fewestByDefault = 1024;

/**
 * To one destination and port. The host has 28,232 ports for one (ip_local_port_range): three containers leave some to
 * others.
 */
const mostToDestination = 8192;

/** The bound of one container by default, on a host that tracks so many connections in all. */
export function defaultConnections(tracked: number): number {
  return Math.max(fewestByDefault, Math.floor(tracked / 16));
}

/**
 * The chain that lets so many connections of one container stand at once: of all containers with the same bound.
 * Another bound is another group, with counts of its own.
 */
export function connectionsGroup(most: number): RuleGroup {
  const id = sha256(`connections ${most}`).slice(0, 16);
  return { id, sets: setsOf(id), chains: [{ table, name: connectionsChain(most), rules: rulesOf(id, most) }] };
}

/** The chain of {@link connectionsGroup}. */
export function connectionsChain(most: number): string {
  return `${policyChain(sha256(`connections ${most}`).slice(0, 16))}_connections`;
}

/**
 * How many may begin: a second, and at once. The kernel looks at all connections of a container before it counts one
 * more (net/netfilter/nf_conncount.c): of 8,192 in 0.3 milliseconds, of 16,384 in up to three (measured on a loaded
 * machine). Few programs begin hundreds a second for long, and many at once.
 */
export function newConnections(most: number): { readonly perSecond: number; readonly atOnce: number } {
  return { perSecond: Math.max(256, Math.ceil(most / 64)), atOnce: Math.max(1024, Math.ceil(most / 4)) };
}

/** How many may stand to one destination and port. */
export function mostToOne(most: number): number {
  return Math.min(most, mostToDestination);
}

function setsOf(id: string): SetDeclaration[] {
  return families.flatMap((n): SetDeclaration[] => {
    const address: DataType = n === 4 ? 'ipv4_addr' : 'ipv6_addr';
    const bucket = { table, flags: ['dynamic'], size, filledBy: 'bucket' } as const;
    return [
      {
        ...bucket,
        name: `${policyChain(id)}_begun${n}`,
        key: ['ifname', address],
        flags: ['dynamic', 'timeout'],
        timeoutMinutes: 1,
        about: '(interface, container) with a bucket for connections that begin',
      },
      {
        ...bucket,
        name: `${policyChain(id)}_full${n}`,
        key: ['ifname', address],
        flags: ['dynamic', 'timeout'],
        about: '(interface, container) that had as many connections as it may within the last second',
      },
      {
        ...bucket,
        name: `${policyChain(id)}_full_to${n}`,
        key: ['ifname', address, address, 'inet_proto', 'inet_service'],
        flags: ['dynamic', 'timeout'],
        about: '(interface, container, destination, protocol, port): the same of connections to there',
      },
      {
        ...bucket,
        name: `${policyChain(id)}_flows${n}`,
        key: ['ifname', address],
        about: '(interface, container) with its connections',
      },
      {
        ...bucket,
        name: `${policyChain(id)}_flows_to${n}`,
        key: ['ifname', address, address, 'inet_proto', 'inet_service'],
        about: '(interface, container, destination, protocol, port) with the connections to there',
      },
    ];
  });
}

/**
 * Half-open connections are bounded by the rate, and by the time that the kernel keeps one that is not answered
 * (dataplane/catalogue/bounds.ts). Who is over is not counted again for a second, since counting takes the longer the
 * more there is.
 */
function rulesOf(id: string, most: number): string[] {
  const name = policyChain(id);
  const { perSecond, atOnce } = newConnections(most);
  const hasPort = 'meta l4proto { tcp, udp, sctp }';
  return families.flatMap((n) => {
    const ip = n === 4 ? 'ip' : 'ip6';
    const source = `iifname . ${ip} saddr`;
    const flow = `${source} . ${ip} daddr . meta l4proto . th dport`;
    return [
      `${source} @${name}_full${n} goto bounded_connections`,
      `${hasPort} ${flow} @${name}_full_to${n} goto bounded_destination`,
      `update @${name}_begun${n} { ${source} limit rate over ${perSecond}/second burst ${atOnce} packets } goto bounded_begun`,
      `add @${name}_flows${n} { ${source} ct count over ${most} } add @${name}_full${n} { ${source} timeout 1s } goto bounded_connections`,
      `${hasPort} add @${name}_flows_to${n} { ${flow} ct count over ${mostToOne(most)} } add @${name}_full_to${n} { ${flow} timeout 1s } goto bounded_destination`,
    ];
  });
}
