import type { Element } from '../nft/element.ts';
import { quotedInterface } from '../nft/quote.ts';
import type { AttachmentRecord, LinkRecord } from '../records/record.ts';
import type { PortMapping } from './mapping.ts';

/**
 * The map elements of an attachment's published ports. The target is the first address of each family; a
 * mapping for a family in which the container has no address is left out, as in the reference portmap.
 */
export function portElements(record: AttachmentRecord): Element[] {
  const { link } = record;
  if (link === undefined) return [];
  const published = ([4, 6] as const).map((family) => ({
    family,
    target: firstAddress(link, family),
    mappings: link.ports.filter(({ families }) => families.includes(family)),
  }));
  return published.flatMap(({ family, target, mappings }) => {
    if (target === undefined || mappings.length === 0) return [];
    const comment = owner(record);
    const maps = mappings.map((mapping) => ({ ...mapElement(mapping, family, target), comment }));
    return link.snat === false ? maps : [...maps, hairpinElement(link, family, target)];
  });
}

/** The container's address that published ports lead to, without prefix length. */
export function firstAddress(link: LinkRecord, family: 4 | 6): string | undefined {
  return link.addresses
    .map(({ address }) => address.split('/', 1)[0] ?? '')
    .find((address) => address.includes(':') === (family === 6));
}

/** Comment that tells a reader of `nft list` whose element it is. */
export function owner({ network, containerId, ifname }: AttachmentRecord): string {
  return `${network} ${ifname} ${containerId}`;
}

function mapElement(
  { protocol, hostIp, hostPort, containerPort }: PortMapping,
  family: 4 | 6,
  target: string,
): Element {
  const key = `${protocol} . ${hostPort}`;
  return {
    table: 'inet drawbridge',
    set: hostIp === undefined ? `published${family}` : `published${family}_at`,
    key: hostIp === undefined ? key : `${hostIp} . ${key}`,
    value: `${target} . ${containerPort}`,
  };
}

function hairpinElement({ bridge }: LinkRecord, family: 4 | 6, target: string): Element {
  return { table: 'inet drawbridge', set: `hairpin${family}`, key: `${quotedInterface(bridge)} . ${target}` };
}
