import { familyOf } from '../../ip/family.ts';
import { interfacePart, type Element } from '../../nft/element.ts';
import type { AttachmentId } from '../../cni/request.ts';
import type { PublishedRecord as Publication } from '../../records/record.ts';
import type { PortMapping } from '../../ports/mapping.ts';

/**
 * The map elements of ports that an attachment publishes. Of a container's networks that publish the same port, the one
 * that its default route leads through has it: its answers leave that way, with that source, and a host with rp_filter
 * takes them by no other (podman#26044). The target is the first address of each family; a
 * mapping for a family in which the container has no address is left out, as in the reference portmap.
 */
export function publicationElements(publication: Publication, record: AttachmentId): Element[] {
  const comment = owner(record);
  const atLoopback: Element[] = isAtLoopback(publication) ? [loopbackElement(publication)] : [];
  const mapped = ([4, 6] as const).flatMap((family) => {
    const target = firstAddress(publication.addresses, family);
    const mappings = publication.ports.filter(({ families }) => families.includes(family));
    if (target === undefined || mappings.length === 0) return [];
    const rank = Math.min(noDefaultRoute, ...metricsOf(publication, family));
    const maps = mappings.flatMap((mapping) => [
      { ...mapElement(mapping, family, target), comment, rank },
      translationElement(mapping, family, target),
    ]);
    return publication.snat ? [...maps, hairpinElement(publication, family, target)] : maps;
  });
  return [...mapped, ...atLoopback];
}

/**
 * Whether a port is published at 127.0.0.1 of the host: an answer to the host's own connection comes in by the
 * container's interface for an address that the kernel takes on loopback alone, unless that interface has
 * `route_localnet`.
 */
export function isAtLoopback({ ports, snat, addresses }: Pick<Publication, 'ports' | 'snat' | 'addresses'>): boolean {
  return (
    snat &&
    firstAddress(addresses, 4) !== undefined &&
    ports.some(({ families, hostIp }) => families.includes(4) && (hostIp?.startsWith('127.') ?? true))
  );
}

/** Name under which the containers behind an interface that are published at 127.0.0.1 have that in common. */
export function loopbackUse(ingressInterface: string): string {
  return `loopback-${ingressInterface}`;
}

/** Above every metric of a route. */
const noDefaultRoute = 2 ** 32;

function metricsOf({ defaultRoutes = [] }: Publication, family: 4 | 6): number[] {
  return defaultRoutes.filter((route) => route.family === family).map(({ metric }) => metric);
}

/** The container's address that published ports lead to. */
function firstAddress(addresses: readonly string[], family: 4 | 6): string | undefined {
  return addresses.find((address) => familyOf(address) === family);
}

/** Comment that tells a reader of `nft list` whose element it is. */
function owner({ network, containerId, ifname }: AttachmentId): string {
  return `${network} ${ifname} ${containerId}`;
}

function mapElement(
  { protocol, hostIp, hostPort, containerPort }: PortMapping,
  family: 4 | 6,
  target: string,
): Element {
  const key = [protocol, hostPort];
  return {
    table: 'inet drawbridge',
    set: hostIp === undefined ? `published${family}` : `published${family}_at`,
    key: hostIp === undefined ? key : [hostIp, ...key],
    value: [target, containerPort],
  };
}

/** By which a connection that was translated here is told from one that somebody else translated. */
function translationElement(
  { protocol, hostIp, hostPort, containerPort }: PortMapping,
  family: 4 | 6,
  target: string,
): Element {
  const key = [protocol, hostPort, target, containerPort];
  return {
    table: 'inet drawbridge',
    set: hostIp === undefined ? `translated${family}` : `translated${family}_at`,
    key: hostIp === undefined ? key : [hostIp, ...key],
  };
}

function hairpinElement({ ingressInterface }: Publication, family: 4 | 6, target: string): Element {
  return { table: 'inet drawbridge', set: `hairpin${family}`, key: [interfacePart(ingressInterface), target] };
}

function loopbackElement({ ingressInterface }: Publication): Element {
  return {
    table: 'inet drawbridge',
    set: 'loopback_bridges',
    key: [interfacePart(ingressInterface)],
    shared: loopbackUse(ingressInterface),
  };
}
