import { familyOf } from '../../ip/family.ts';
import { hasIpv6 } from '../../host/sysctl.ts';
import { readFileSync } from 'node:fs';
import { delegateAdd, delegateDel, delegationOf } from '../../cni/delegate.ts';
import { CniError, codes } from '../../cni/errors.ts';
import { quote } from '../../cni/fields.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import type { ResultDns, ResultIp, ResultRoute } from '../../cni/result.ts';
import { reserve } from '../../ipam/leases.ts';
import { parseResolvConf } from '../../ipam/resolv-conf.ts';
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

/** A kernel without IPv6 has no routes of it: "routes" of a conf may have been written for every host. */
export function withoutMissingFamily(given: GivenAddresses): GivenAddresses {
  if (hasIpv6()) return given;
  return { ...given, routes: given.routes.filter(({ dst }) => familyOf(dst) === 4) };
}
