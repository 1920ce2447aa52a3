import type { AttachmentRequest } from '../../cni/request.ts';
import { mergeDns, type Result, type ResultDns, type ResultRoute } from '../../cni/result.ts';
import type { CompleteAddresses } from '../../links/addresses.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import type { LinkRecord } from '../../records/record.ts';
import type { InterfaceConf } from './conf.ts';

/** What an ADD made. */
export interface MadeAttachment {
  readonly conf: InterfaceConf;
  readonly link: LinkRecord;
  readonly addresses: CompleteAddresses;
  /** Of default routes that got another one than was asked for. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly bridgeMac: string;
  readonly dns: ResultDns;
}

/** What an earlier plugin made stays in the result, before ours: Nomad calls loopback first. */
export function toResult(
  { prevResult: earlier, id, netns }: AttachmentRequest,
  { conf, link, addresses, metrics, bridgeMac, dns }: MadeAttachment,
): Result {
  const { bridge, hostInterface, mac, mtu } = link;
  const ours = [
    { name: bridge, mac: bridgeMac, mtu },
    { name: hostInterface, mac: hardwareAddressOf(hostInterface), mtu },
    { name: id.ifname, mac, mtu, sandbox: netns },
  ];
  const place = (earlier?.interfaces.length ?? 0) + 2;
  return {
    interfaces: [...(earlier?.interfaces ?? []), ...ours],
    ips: [...(earlier?.ips ?? []), ...addresses.ips.map((ip) => ({ ...ip, interface: place }))],
    routes: [...(earlier?.routes ?? []), ...addresses.routes.map((route) => withFoundMetric(route, metrics))],
    dns: mergeDns(earlier?.dns ?? {}, conf.link.dns ?? dns),
  };
}

function withFoundMetric(route: ResultRoute, metrics: ReadonlyMap<string, number>): ResultRoute {
  const metric = metrics.get(route.dst);
  return metric === undefined || route.gw === undefined || route.table !== undefined
    ? route
    : { ...route, priority: metric };
}
