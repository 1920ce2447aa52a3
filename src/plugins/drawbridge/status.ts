import { accessSync, constants, readFileSync } from 'node:fs';
import { delegateStatus, delegationOf } from '../../cni/delegate.ts';
import type { StatusRequest } from '../../cni/request.ts';
import { parseEgressConf } from '../../egress/conf.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import { readInterface } from '../../host/interfaces.ts';
import { mostPorts } from '../../host/link-error.ts';
import { countPorts } from '../../host/networks.ts';
import { runDir } from '../../host/paths.ts';
import { formatAddress, formatPrefix } from '../../ip/address.ts';
import { fullSets } from '../../ipam/ledger.ts';
import { gatewayInterfaceOf } from '../../links/bridge.ts';
import { conflictingAddresses } from '../../links/conflicts.ts';
import { requirePolicies } from '../egress-policy/status.ts';
import { notAvailable, requireFolder, requirePrograms, requireRules } from '../status.ts';
import { parseInterfaceConf, type InterfaceConf, type IpamChoice } from './conf.ts';
import type { InterfaceDefaults } from './defaults.ts';
import { refuseEgressWithoutAddresses } from './policy.ts';
import { findContested, placeOf } from './surroundings.ts';

/**
 * Finds out whether an ADD would work. Throws what ADD would throw for its configuration, and code 50 with the first
 * reason on the host why not; it changes nothing.
 */
export async function status(request: StatusRequest, defaults: InterfaceDefaults): Promise<void> {
  const conf = parseInterfaceConf(request, defaults);
  refuseEgressWithoutAddresses(conf);
  const egress = conf.egress === undefined ? undefined : parseEgressConf(conf.egress.value, 'egress', loadOwnPresets());
  requirePrograms(['ip', 'nsenter', 'nft']);
  requireFolder(runDir);
  await requireRules();
  if (!conf.link.routed) await requireBridge(conf);
  await requireOwnSubnets(conf, request.config.name);
  if (conf.link.isGateway) requireForwarding(conf.ipam);
  requireAddresses(conf.ipam, request.config.name);
  if (egress !== undefined) await requirePolicies(egress);
  if (conf.ipam.kind === 'delegated') await delegateStatus(delegationOf(request, conf.ipam.type));
}

/** Of a bridge that is there: it is one, has room, and what ADD gives it has nothing in its way. */
async function requireBridge({ link, ipam }: InterfaceConf): Promise<void> {
  const found = await readInterface(link.bridge);
  if (found === undefined) return;
  if (found.kind !== 'bridge')
    throw notAvailable(
      `"${link.bridge}" is an interface of kind "${found.kind}" and not a bridge`,
      'Choose another "bridge", or remove that interface',
    );
  if ((await countPorts(link.bridge)) >= mostPorts)
    throw notAvailable(
      `"${link.bridge}" has ${mostPorts} ports, and room for no more`,
      'Give further containers a network with a bridge of its own',
    );
  if (!link.isGateway || link.forceAddress || link.vlan !== 0) return;
  const present = found.addresses.filter(({ scope }) => scope !== 'link').map(({ address }) => address);
  const [conflict] = conflictingAddresses(present, gatewaysOf(ipam));
  if (conflict !== undefined)
    throw notAvailable(
      `"${link.bridge}" has the address ${conflict.present}, which is in the way of ${conflict.wanted}`,
      'Choose another "bridge", or set "forceAddress" to true',
    );
}

/** Of a gateway's subnets none is another interface's: ADD refuses that. */
async function requireOwnSubnets({ link, ipam }: InterfaceConf, network: string): Promise<void> {
  if (!link.isGateway || ipam.kind !== 'host-local') return;
  const choices = ipam.conf.sets.map(({ ranges }) => ranges.map(({ subnet }) => formatPrefix(subnet)));
  const gatewayInterface = gatewayInterfaceOf(link.bridge, { vlan: link.vlan, gateways: gatewaysOf(ipam) });
  const error = await findContested(placeOf(link, { network, gatewayInterface }), choices);
  if (error !== undefined) throw notAvailable(error.message, error.details ?? '');
}

/** The addresses that the first container of each range set gives to the bridge. */
function gatewaysOf(ipam: IpamChoice): string[] {
  if (ipam.kind !== 'host-local') return [];
  return ipam.conf.sets.flatMap(({ ranges: [range] }) => {
    if (range?.gateway === undefined) return [];
    const { subnet, gateway } = range;
    return [`${formatAddress({ family: subnet.family, value: gateway })}/${subnet.length}`];
  });
}

const forwardingFiles = { 4: '/proc/sys/net/ipv4/ip_forward', 6: '/proc/sys/net/ipv6/conf/all/forwarding' };

/** A gateway forwards: where that is off, ADD has to be able to switch it on. */
function requireForwarding(ipam: IpamChoice): void {
  if (ipam.kind !== 'host-local') return;
  const families = new Set(ipam.conf.sets.flatMap(({ ranges }) => ranges.map(({ subnet }) => subnet.family)));
  for (const family of families) {
    const file = forwardingFiles[family];
    if (isOff(file) && !isWritable(file))
      throw notAvailable(
        `"${file}" is 0, and it cannot be written`,
        `Set it before: sysctl -w ${file.slice('/proc/sys/'.length).replaceAll('/', '.')}=1`,
      );
  }
}

/** A kernel without the family has no such file: ADD leaves the family out. */
function isOff(file: string): boolean {
  try {
    return readFileSync(file, 'utf8').trim() === '0';
  } catch {
    return false;
  }
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function requireAddresses(ipam: IpamChoice, network: string): void {
  if (ipam.kind !== 'host-local') return;
  requireFolder(ipam.conf.dataDir);
  const [full] = fullSets(ipam.conf, network);
  if (full !== undefined) {
    throw notAvailable(
      `no address is free in "${full.text}": all ${full.size} are leased`,
      `"drawbridge list" shows who holds them; each is a file in "${ipam.conf.dataDir}/${network}"`,
    );
  }
}
