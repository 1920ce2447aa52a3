import type { Element } from '../nft/element.ts';
import { quotedInterface } from '../nft/quote.ts';
import type { AttachmentRecord } from '../records/record.ts';

/** Elements that say which bridge is ours, which addresses live on it, and which of them are masqueraded. */
export function masqueradeElements({ link }: AttachmentRecord): Element[] {
  if (link === undefined) return [];
  const table = 'inet drawbridge';
  const bridge = quotedInterface(link.bridge);
  const addresses = link.addresses.map(({ address }) => address.split('/', 1)[0] ?? '');
  return [
    { table, set: 'bridges', key: bridge, shared: bridgeUse(link.bridge) },
    ...addresses.flatMap((address): Element[] => {
      const family = address.includes(':') ? 6 : 4;
      const home: Element = { table, set: `containers${family}`, key: `${bridge} . ${address}` };
      return link.masquerade ? [home, { table, set: `masquerade${family}`, key: address }] : [home];
    }),
  ];
}

/** The name under which the attachments of a bridge claim what they have in common: see {@link Element.shared}. */
export function bridgeUse(bridge: string): string {
  return `bridge-${bridge}`;
}
