import { delegateStatus, delegationOf } from '../../cni/delegate.ts';
import type { StatusRequest } from '../../cni/request.ts';
import { parseEgressConf, type EgressConf } from '../../egress/conf.ts';
import { mostPorts } from '../../host/ip.ts';
import { countPorts } from '../../host/networks.ts';
import { runDir } from '../../host/paths.ts';
import { fullSets } from '../../ipam/ledger.ts';
import { parseLinkConf } from '../../links/conf.ts';
import { requirePolicies } from '../egress-policy/status.ts';
import { notAvailable, requireFolder, requirePrograms, requireRules } from '../status.ts';
import { egressOf, parseIpamChoice, type IpamChoice } from './conf.ts';
import type { InterfaceDefaults } from './defaults.ts';

/** Finds out whether an ADD would work. Throws code 50 with the first reason why not; it changes nothing. */
export async function status(request: StatusRequest, defaults: InterfaceDefaults): Promise<void> {
  const link = parseLinkConf(request.config.fields, defaults);
  const ipam = parseIpamChoice(request.config);
  const egress = egressConf(request);
  requirePrograms(['ip', 'nsenter', 'nft']);
  requireFolder(runDir);
  await requireRules();
  requireAddresses(ipam, request.config.name);
  await requireRoom(link.bridge);
  if (egress !== undefined) await requirePolicies(egress);
  if (ipam.kind === 'delegated') await delegateStatus(delegationOf(request, ipam.type));
}

function egressConf({ config }: StatusRequest): EgressConf | undefined {
  const egress = egressOf(config.fields);
  return egress === undefined ? undefined : parseEgressConf(egress.value, 'egress');
}

async function requireRoom(bridge: string): Promise<void> {
  if ((await countPorts(bridge)) < mostPorts) return;
  throw notAvailable(
    `"${bridge}" has ${mostPorts} ports, and room for no more`,
    'Give further containers a network with a bridge of its own',
  );
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
