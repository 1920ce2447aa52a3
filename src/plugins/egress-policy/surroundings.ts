import type { PublishedPort, Sibling, Surroundings } from '../../egress/judge.ts';
import { showJson } from '../../host/ip.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import type { AttachmentRecord, EgressRecord } from '../../records/record.ts';
import { addressesOf, portsOf, siblingPlaceOf } from '../../records/sections.ts';

/** Every address that the host has now, without prefix length. */
export async function readHostAddresses(): Promise<string[]> {
  const shown = (await showJson(['address', 'show'])) as { addr_info?: { local: string }[] }[];
  return shown.flatMap(({ addr_info: addresses }) => (addresses ?? []).map(({ local }) => local));
}

/** What the verdicts of a container depend on beside its policy, from the records and the addresses of the host. */
export function surroundingsOf(
  record: AttachmentRecord & { readonly egress: EgressRecord },
  records: readonly AttachmentRecord[],
  hostAddresses: readonly string[],
): Surroundings {
  const { key, egress } = record;
  return {
    gateways: egress.gateways,
    hostAddresses,
    siblings: records
      .filter((other) => other.key !== key && other.state === 'ready')
      .flatMap((other) => siblings(other, siblingPlaceOf(record))),
    published: records.flatMap(portsOf).map(published),
    onLink: hostNetworks(),
  };
}

/**
 * A container without a policy keeps nobody out of its own accord; on a bridge of ours it is reached as one with an
 * open policy.
 */
function siblings(other: AttachmentRecord, place: string | undefined): Sibling[] {
  const sameBridge = siblingPlaceOf(other) === place;
  const { policy } = other.egress ?? { policy: { isolation: 'none', ingress: 'published', audit: false } as const };
  return addressesOf(other).map((address) => ({ address, sameBridge, policy }));
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
