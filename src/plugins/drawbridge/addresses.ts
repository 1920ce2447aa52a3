import { readFileSync } from 'node:fs';
import { delegateAdd, delegateDel, delegationOf, type Delegation } from '../../cni/delegate.ts';
import { CniError, codes } from '../../cni/errors.ts';
import { quote } from '../../cni/fields.ts';
import type { AttachmentRequest, Request } from '../../cni/request.ts';
import type { ResultDns, ResultIp, ResultRoute } from '../../cni/result.ts';
import { release, reserve } from '../../ipam/leases.ts';
import { defaultDataDir, parseDataDir } from '../../ipam/ranges.ts';
import { parseResolvConf } from '../../ipam/resolv-conf.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { IpamChoice } from './conf.ts';
import { lastingName } from './lasting-name.ts';
import { systemReason } from '../../text/system-error.ts';

/** What address management gives to an attachment. */
export interface GivenAddresses {
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: ResultDns;
}

/** Reserves addresses: from our own leases, or from the plugin that `ipam.type` names. After an error none is kept. */
export async function reserveAddresses(request: AttachmentRequest, ipam: IpamChoice): Promise<GivenAddresses> {
  switch (ipam.kind) {
    case 'none':
      return { ips: [], routes: [], dns: {} };
    case 'delegated':
      return fromPlugin(request, ipam.type);
    case 'host-local':
      return {
        dns: readResolvConf(ipam.conf.resolvConf),
        ips: await reserve(ipam.conf, request.id, {
          requested: ipam.requested,
          ...(ipam.conf.sticky ? { keptFor: lastingName(request) } : {}),
        }),
        routes: ipam.conf.routes,
      };
  }
}

/**
 * Gives back what an attachment holds. By its record the cost is that of its own leases; without a record every
 * lease of the network is looked at, and `ipam` of the request says where they are.
 */
export async function releaseAddresses(
  request: Request,
  record: AttachmentRecord | Pick<AttachmentRecord, 'network' | 'containerId' | 'ifname'>,
): Promise<void> {
  const link = 'link' in record ? record.link : undefined;
  const ipam = link?.ipam ?? ipamOf(request);
  if (ipam.type === '') return;
  if (ipam.type !== 'host-local') return delegateDel(delegationFor(request, record, ipam.type));
  const known =
    link === undefined || link.addresses.length === 0
      ? undefined
      : link.addresses.map(({ address }) => address.split('/', 1)[0] ?? '');
  release(ipam.dataDir ?? defaultDataDir, record, known);
}

/** Whether another program gave the addresses of an attachment. */
export function isDelegated(
  request: Request,
  record: AttachmentRecord | Pick<AttachmentRecord, 'network' | 'containerId' | 'ifname'>,
): boolean {
  const { type } = ('link' in record ? record.link?.ipam : undefined) ?? ipamOf(request);
  return type !== '' && type !== 'host-local';
}

/** What the conf of a request says, as far as a DEL has to know it: whatever else is wrong with it does not matter. */
export function ipamOf({ config }: Request): { type: string; dataDir?: string } {
  const ipam = config.fields.object('ipam');
  const type = ipam?.string('type') ?? '';
  return ipam !== undefined && type === 'host-local' ? { type, dataDir: parseDataDir(ipam) } : { type };
}

/**
 * The plugin of a DEL is told what we are told, prevResult and runtimeConfig included (SPEC.md, "Plugin Delegation").
 * Of an attachment that a GC or the next ADD removes there is the configuration of its ADD alone; and a DEL whose
 * network has moved to another plugin since says nothing to the one that gave the address.
 */
function delegationFor(
  request: Request,
  record: AttachmentRecord | Pick<AttachmentRecord, 'network' | 'containerId' | 'ifname'>,
  type: string,
): Delegation {
  const { network, containerId, ifname } = record;
  const link = 'link' in record ? record.link : undefined;
  const netns = 'netns' in request ? request.netns : '';
  return {
    ...delegationOf(request, type),
    id: { network, containerId, ifname },
    netns,
    ...(link === undefined || (request.verb === 'DEL' && ipamOf(request).type === type)
      ? {}
      : { conf: JSON.stringify(link.conf) }),
  };
}

async function fromPlugin(request: AttachmentRequest, type: string): Promise<GivenAddresses> {
  const { ips, routes, dns } = await delegateAdd(delegationOf(request, type));
  if (ips.length > 0)
    return {
      ips: ips.map(({ address, gateway }) => (gateway === undefined ? { address } : { address, gateway })),
      routes,
      dns,
    };
  await delegateDel(delegationOf(request, type)).catch(() => {});
  throw new CniError(
    codes.invalidConfig,
    `Cannot use ipam plugin ${quote(type)}: it returned no address`,
    'Leave "ipam" out for an interface without addresses',
  );
}

function readResolvConf(file: string | undefined): ResultDns {
  if (file === undefined) return {};
  try {
    return parseResolvConf(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CniError(
      codes.ioFailure,
      `Cannot read "ipam.resolvConf" ${quote(file)}: ${systemReason(error)}`,
      'Name a file in the form of resolv.conf(5), or leave the key out',
      { cause: error },
    );
  }
}
