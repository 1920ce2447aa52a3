import { isAtLoopback, publicationElements } from '../../dataplane/elements/publication.ts';
import { overlaps } from '../../ports/mapping.ts';
import { masqueradeElements } from '../../dataplane/elements/masquerade.ts';
import type { PublishedRecord } from '../record.ts';
import { flag, interfaceName, ipText, list, matching, object, readDefaultRoutes, readPorts } from './read-value.ts';
import type { Section } from './section.ts';

/** What the drop-in for portmap published, whoever made the interface. */
export const published: Section<PublishedRecord> = {
  read,
  elements: (value, record) => [
    ...publicationElements(value, record),
    ...(record.link === undefined ? masqueradeElements(record) : []),
  ],
  claims: (value) => {
    const { addresses, ports, ingressInterface } = value;
    return { addresses, ports, ingressInterface, isOpened: true, isAtLoopback: isAtLoopback(value) };
  },
  withoutPort: (value, mapping) => ({ ...value, ports: value.ports.filter((port) => !overlaps(port, mapping)) }),
};

function read(value: unknown): PublishedRecord {
  const from = object(value, '"published"');
  matching(from, 'ingressInterface', interfaceName);
  list(from, 'addresses').forEach((ip) => ipText(ip, 'addresses'));
  flag(from, 'snat');
  readDefaultRoutes(from);
  readPorts(from);
  return from as unknown as PublishedRecord;
}
