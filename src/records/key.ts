import { sha256 } from '../digest/sha256.ts';
import type { AttachmentId } from '../cni/request.ts';

/** Names an attachment's record: first 16 hex digits of the SHA-256 of network, container and ifname. */
export function attachmentKey({ network, containerId, ifname }: AttachmentId): string {
  return sha256([network, containerId, ifname].join('\0')).slice(0, 16);
}

/**
 * The host's end of the attachment's veth pair, found again without a record: 15 characters, the longest that Linux
 * takes.
 */
export function hostInterfaceOf(key: string): string {
  return `veth${key.slice(0, 11)}`;
}

/** A tap on the host that was given no name, found again without a record. */
export function hostTapNameOf(key: string): string {
  return `tap${key.slice(0, 11)}`;
}

/** A number for the routed interfaces of a network, which the kernel keeps with each; 0 is that of all others. */
export function groupOfNetwork(network: string): number {
  return (Number.parseInt(sha256(network).slice(0, 8), 16) >>> 1) + 1;
}

/** For messages: `container "c1" (interface "eth0" of network "drawbridge")`. */
export function describeAttachment({ network, containerId, ifname }: AttachmentId): string {
  return `container ${JSON.stringify(containerId)} (interface ${JSON.stringify(ifname)} of network ${JSON.stringify(network)})`;
}
