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
  /** Absent when there is no bridge. */
  readonly bridgeMac: string | undefined;
  readonly dns: ResultDns;
}

/** What an earlier plugin made stays in the result, before ours: Nomad calls loopback first. */
export function toResult(
  { prevResult: earlier, id, netns }: AttachmentRequest,
  { conf, link, addresses, metrics, bridgeMac, dns }: MadeAttachment,
): Result {
  const { bridge, hostInterface, mac, mtu } = link;
  const { tap, hostTap } = conf.link;
  const ours = [
    ...(bridge === undefined ? [] : [{ name: bridge, ...(bridgeMac === undefined ? {} : { mac: bridgeMac }), mtu }]),
    { name: hostInterface, mac: hardwareAddressOf(hostInterface), mtu },
    hostTap === undefined
      ? { name: id.ifname, mac, mtu, sandbox: netns }
      : { name: hostInterface, mac, mtu, sandbox: id.containerId },
  ];
  const place = (earlier?.interfaces.length ?? 0) + ours.length - 1;
  // A guest is told as tc-redirect-tap tells one: by an interface in a sandbox of the container's name.
  const guest =
    tap === undefined
      ? []
      : [
          { name: tap.name, sandbox: netns },
          { name: tap.name, mac, sandbox: id.containerId },
        ];
  return {
    interfaces: [...(earlier?.interfaces ?? []), ...ours, ...guest],
    ips: [
      ...(earlier?.ips ?? []),
      ...[place, ...(tap === undefined ? [] : [place + 2])].flatMap((at) =>
        addresses.ips.map((ip) => ({ ...ip, interface: at })),
      ),
    ],
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
