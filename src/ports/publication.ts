import type { AttachmentRecord, PublishedRecord } from '../records/record.ts';
import { overlaps, type PortMapping } from './mapping.ts';

/** Ports of the host that lead to a container, and how its packets reach the host. */
export type Publication = PublishedRecord;

/** What an attachment publishes: by the interface plugin, by the drop-in for portmap, or by both. */
export function publicationsOf({ link, published }: AttachmentRecord): Publication[] {
  const byLink =
    link === undefined
      ? []
      : [
          {
            ingressInterface: link.bridge,
            addresses: link.addresses.map(({ address }) => address.split('/', 1)[0] ?? ''),
            ports: link.ports,
            snat: link.snat ?? true,
            ...(link.defaultRoutes === undefined ? {} : { defaultRoutes: link.defaultRoutes }),
          },
        ];
  return published === undefined ? byLink : [...byLink, published];
}

/** Every port of the host that an attachment publishes. */
export function portsOf({ link, published }: AttachmentRecord): readonly PortMapping[] {
  if (published === undefined) return link?.ports ?? [];
  return [...(link?.ports ?? []), ...published.ports];
}

/** The record of an attachment that no longer publishes what stands in the way of `mapping`. */
export function withoutPort(record: AttachmentRecord, mapping: PortMapping): AttachmentRecord {
  const { link, published } = record;
  const left = (ports: readonly PortMapping[]): PortMapping[] => ports.filter((port) => !overlaps(port, mapping));
  return {
    ...record,
    ...(link === undefined ? {} : { link: { ...link, ports: left(link.ports) } }),
    ...(published === undefined ? {} : { published: { ...published, ports: left(published.ports) } }),
  };
}
