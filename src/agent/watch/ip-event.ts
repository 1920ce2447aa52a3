import type { LinkEvent } from '../../host/netlink/link-event.ts';
import type { ChangeEvent } from '../../repair/change-event.ts';
import { forwardingKey, gatesKey } from '../../repair/resource-key.ts';

/** What a change of links, addresses, routes, routing rules, sysctls or filters gives reason to look at. */
export function linkChangesOf(event: LinkEvent): readonly ChangeEvent[] {
  switch (event.kind) {
    case 'routing rule':
      return [{ resource: 'links', of: gatesKey }];
    case 'filter':
      return event.isRemoval ? [{ resource: 'links', of: gatesKey }] : [];
    case 'sysctl':
      return event.isGlobal ? [{ resource: 'links', of: forwardingKey }] : linkChange(event.name);
    case 'link':
    case 'lost route':
      return linkChange(event.name);
    case 'address':
      return [...linkChange(event.name), { resource: 'networks' }];
  }
}

function linkChange(name: string | undefined): ChangeEvent[] {
  return [name === undefined ? { resource: 'links' } : { resource: 'links', of: name }];
}
