import type { PublishedPort, Sibling, Surroundings } from '../../egress/judge.ts';
import { showJson } from '../../host/ip.ts';
import type { AttachmentRecord, EgressRecord } from '../../records/record.ts';

/** Every address that the host has now, without prefix length. */
export async function readHostAddresses(): Promise<string[]> {
  const shown = (await showJson(['address', 'show'])) as { addr_info?: { local: string }[] }[];
  return shown.flatMap(({ addr_info: addresses }) => (addresses ?? []).map(({ local }) => local));
}

/** What the verdicts of a container depend on beside its policy, from the records and the addresses of the host. */
export function surroundingsOf(
  { key, egress }: AttachmentRecord & { readonly egress: EgressRecord },
  records: readonly AttachmentRecord[],
  hostAddresses: readonly string[],
): Surroundings {
  return {
    gateways: egress.gateways,
    hostAddresses,
    siblings: records
      .filter((other) => other.key !== key && other.state === 'ready')
      .flatMap((other) => siblings(other, egress.ingressInterface)),
    published: records.flatMap(({ link }) => link?.ports ?? []).map(published),
  };
}

/**
 * A container without a policy keeps nobody out of its own accord; on a bridge of ours it is reached as one with an
 * open policy.
 */
function siblings({ link, egress }: AttachmentRecord, bridge: string): Sibling[] {
  const sameBridge = (egress?.ingressInterface ?? link?.bridge) === bridge;
  const policy = egress?.policy ?? { isolation: 'none' as const, ingress: 'published' as const, audit: false };
  const addresses = egress?.addresses ?? (link?.addresses ?? []).map(({ address }) => address.split('/', 1)[0] ?? '');
  return addresses.map((address) => ({ address, sameBridge, policy }));
}

function published({
  protocol,
  hostPort,
  hostIp,
}: {
  protocol: string;
  hostPort: number;
  hostIp?: string;
}): PublishedPort {
  return { protocol, port: hostPort, ...(hostIp === undefined ? {} : { hostAddress: hostIp }) };
}
