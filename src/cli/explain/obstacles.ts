import { readFileSync } from 'node:fs';
import { forwardingCommand, interfacesWithoutForwarding } from '../../host/sysctl.ts';
import { inspectForeignFirewalls } from '../../host/firewall/foreign.ts';
import { findLink } from '../../host/interfaces.ts';
import { familyOf } from '../../ip/family.ts';
import { firewallOptions } from '../../plugins/egress-policy/enforce.ts';
import { findMissing } from '../../records/check.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { isPeerDown } from '../../links/state.ts';
import { isOwnTap } from '../../links/tap.ts';
import { shellTextOf } from '../../links/text.ts';
import type { Obstacle, Way } from './obstacle.ts';
import { boundObstacles } from './bounds.ts';
import { quotaObstacles } from './quota.ts';
import { findRoute, manyObstacle, routeInside } from './route.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { addressesOf, hostInterfacesOf, ingressInterfaceOf, portsOf } from '../../records/sections.ts';

/** Everything on this host that would stop a packet of an attachment to an address, beside its policy. */
export async function findObstacles(way: Way): Promise<Obstacle[]> {
  const { record, address } = way;
  const family = familyOf(address);
  const source = addressesOf(record).find((own) => familyOf(own) === family);
  if (source === undefined) {
    return [
      {
        kind: 'link',
        what: `the container has no IPv${family} address`,
        remedy: `give its network an IPv${family} range, or ask for an IPv${family === 6 ? 4 : 6} address of the destination`,
        isAdvice: true,
      },
    ];
  }
  const bridge = ingressInterfaceOf(record) ?? '';
  const links = linkObstacles(record, bridge);
  if (links.length > 0) return links;
  const inside = await routeInside(way);
  if (inside.length > 0) return inside;
  const { isLocal, obstacle, type, dev } = await findRoute({ address, source, bridge });
  const many = manyObstacle(address, type);
  if (many.length > 0) return many;
  const silent = way.records.find(
    (other) => family === 6 && other.egress?.policy.ipv6 === 'disable' && addressesOf(other).includes(address),
  );
  const [missing, firewalls, quotas, met] = await Promise.all([
    findMissing(record),
    foreignObstacles(record, bridge, { isLocal, family }),
    quotaObstacles(way, { isLocal, isUnseen: dev === bridge && !filtersBridged(family) }),
    boundObstacles(record),
  ]);
  const forwarding = isLocal ? [] : forwardingObstacle(family, [bridge, ...(dev === undefined ? [] : [dev])]);
  return [
    ...(silent === undefined
      ? []
      : [
          {
            kind: 'link' as const,
            what: `it was given to ${shownName(silent.containerId)}, whose policy has IPv6 switched off`,
            remedy: 'ask for its IPv4 address',
            isAdvice: true,
          },
        ]),
    ...missing.slice(0, 1).map(missingObstacle),
    ...forwarding,
    // Without forwarding the kernel says "no route" whatever its tables have.
    ...(obstacle === undefined || forwarding.length > 0 ? [] : [obstacle]),
    ...firewalls,
    ...quotas,
    ...met,
    ...(isLocal ? bridgedObstacle(way, family) : []),
  ];
}

/** Everything on this host that would stop a packet that comes in for a container, beside policies. */
export async function findIncomingObstacles(record: AttachmentRecord, family: 4 | 6): Promise<Obstacle[]> {
  const bridge = ingressInterfaceOf(record) ?? '';
  const links = linkObstacles(record, bridge);
  if (links.length > 0) return links;
  const [missing, firewalls] = await Promise.all([
    findMissing(record),
    foreignObstacles(record, bridge, { isLocal: false, family }),
  ]);
  return [...missing.slice(0, 1).map(missingObstacle), ...forwardingObstacle(family, [bridge]), ...firewalls];
}

function missingObstacle(what: string): Obstacle {
  return {
    kind: 'rules',
    what: `its rules are not in force as ADD put them: ${what} is missing`,
    remedy: 'drawbridge doctor --fix',
  };
}

/**
 * br_netfilter translates a packet for a published port on its way through the bridge, and the bridge then hands it
 * straight to the port of its container: unless that port and the sender's are isolated from each other.
 */
function bridgedObstacle({ record, records, protocol, port }: Way, family: 4 | 6): Obstacle[] {
  if (!filtersBridged(family) || !isIsolated(record)) return [];
  const publisher = records.find(
    (other) =>
      ingressInterfaceOf(other) === ingressInterfaceOf(record) &&
      isIsolated(other) &&
      portsOf(other).some(({ hostPort, protocol: own }) => hostPort === port && own === protocol),
  );
  if (publisher === undefined) return [];
  return [
    {
      kind: 'link',
      what: `br_netfilter sends it to port ${port} of ${shownName(publisher.containerId)} inside the bridge, where the two are isolated from each other`,
      remedy: `sysctl -w net.bridge.${bridgedSysctl(family)}=0`,
    },
  ];
}

/** Whether rules for what is forwarded see what stays in a bridge. */
function filtersBridged(family: 4 | 6): boolean {
  return read(`/proc/sys/net/bridge/${bridgedSysctl(family)}`) === '1';
}

function bridgedSysctl(family: 4 | 6): string {
  return `bridge-nf-call-ip${family === 6 ? '6' : ''}tables`;
}

function isIsolated(record: AttachmentRecord): boolean {
  return hostInterfacesOf(record).some((name) => findLink(name)?.isolated === true);
}

function linkObstacles({ link, ifname, netns }: AttachmentRecord, bridge: string): Obstacle[] {
  const found = findLink(bridge);
  const isOwn = link !== undefined && link.bridge === undefined;
  if (found === undefined && isOwn)
    return [
      {
        kind: 'link',
        what: `its interface "${bridge}" is gone`,
        remedy: 'restart the container: the next ADD makes it',
        isAdvice: true,
      },
    ];
  if (found === undefined)
    return [
      {
        kind: 'link',
        what: `its bridge "${bridge}" is gone`,
        remedy: 'restart its containers: the next ADD makes the bridge',
        isAdvice: true,
      },
    ];
  if (!found.isUp)
    return [
      {
        kind: 'link',
        what: `its ${isOwn ? 'interface' : 'bridge'} "${bridge}" is down`,
        remedy: shellTextOf({ kind: 'setLink', name: bridge, state: 'up' }),
      },
    ];
  const port = link === undefined ? undefined : findLink(link.hostInterface);
  if (link !== undefined && port?.isUp === false)
    return [
      {
        kind: 'link',
        what: `its interface "${link.hostInterface}" is down`,
        remedy: shellTextOf({ kind: 'setLink', name: link.hostInterface, state: 'up' }),
      },
    ];
  // A tap that no process holds has no other end that could be down; a policy holds for the next guest too.
  if (port !== undefined && !isOwnTap(port) && isPeerDown(port))
    return [
      {
        kind: 'link',
        what: `its interface "${ifname}" is down inside the container`,
        remedy: `nsenter --net=${netns} ${shellTextOf({ kind: 'setLink', name: ifname, state: 'up' })}`,
      },
    ];
  return [];
}

/** Of the whole host, and of the interfaces by which a packet and its answer come in. */
function forwardingObstacle(family: 4 | 6, ways: readonly string[]): Obstacle[] {
  const name = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
  if (read(`/proc/sys/${name.replaceAll('.', '/')}`) !== '0') {
    return (family === 4 ? interfacesWithoutForwarding(ways) : []).map((way) => ({
      kind: 'forwarding',
      what: `the host forwards no IPv4 that comes in by "${way}": net/ipv4/conf/${way}/forwarding is 0`,
      remedy: forwardingCommand(way),
    }));
  }
  return [
    { kind: 'forwarding', what: `the host forwards no IPv${family}: ${name} is 0`, remedy: `sysctl -w ${name}=1` },
  ];
}

/** A firewall's finding names the chain: what is forwarded does not pass INPUT, and the other way round. */
async function foreignObstacles(
  { egress }: AttachmentRecord,
  bridge: string,
  { isLocal, family }: { isLocal: boolean; family: 4 | 6 },
): Promise<Obstacle[]> {
  const findings = await inspectForeignFirewalls(bridge, egress === undefined ? {} : firewallOptions(egress.policy));
  return findings
    .filter(({ state, firewall, blocker }) => {
      if (state === 'open') return false;
      if (firewall.startsWith('ip6tables') !== (family === 6) && firewall.includes('tables')) return false;
      const hook = /\b(?:chain |-A )"?(?:[\w-]*[-_])?(input|forward)/i.exec(blocker)?.[1]?.toLowerCase();
      return hook === undefined || (hook === 'input') === isLocal;
    })
    .map(({ firewall, blocker, remedy }) => ({
      kind: 'firewall',
      what: `${firewall} drops it: ${blocker}`,
      remedy: remedy.trim(),
    }));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
