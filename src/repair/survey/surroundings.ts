import { networkInterfaces } from 'node:os';
import type { PublishedPort, Sibling, Surroundings } from '../../egress/judge.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, isRouted, portsOf, siblingPlaceOf } from '../../records/sections.ts';

/** What a verdict about an attachment depends on beside its policy, as records and host have it now. */
export function surroundingsOf(record: AttachmentRecord, records: readonly AttachmentRecord[]): Surroundings {
  const others = records.filter(({ key, state }) => key !== record.key && state === 'ready');
  return {
    own: addressesOf(record),
    gateways: record.egress?.gateways ?? gatewaysOf(record),
    hostAddresses: hostAddresses(),
    siblings: others.flatMap((other) => addressesOf(other).map((address) => siblingAt(address, other, record))),
    published: records.filter(({ state }) => state === 'ready').flatMap(publishedBy),
    onLink: hostNetworks(),
  };
}

/** Addresses of the host's interfaces, without zones. */
export function hostAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address.split('%', 1)[0] ?? ''),
  );
}

function gatewaysOf({ link }: AttachmentRecord): string[] {
  return link?.addresses.flatMap(({ gateway }) => gateway ?? []) ?? [];
}

/**
 * A container without a policy counts as the guard treats it: an enforced port of its bridge exchanges nothing with it,
 * and from another bridge it is a destination like any other.
 */
function siblingAt(address: string, other: AttachmentRecord, own: AttachmentRecord): Sibling {
  const sameBridge = siblingPlaceOf(other) === siblingPlaceOf(own);
  const place = { address, sameBridge, isRouted: isRouted(own) };
  if (other.egress !== undefined) return { ...place, policy: other.egress.policy };
  return {
    ...place,
    policy: sameBridge
      ? { isolation: 'container', ingress: 'open', audit: false }
      : { isolation: 'none', ingress: 'published', audit: true },
  };
}

function publishedBy(record: AttachmentRecord): PublishedPort[] {
  return portsOf(record).map(({ hostIp, protocol, hostPort }) => ({
    protocol,
    port: hostPort,
    ...(hostIp === undefined ? {} : { hostAddress: hostIp }),
  }));
}
