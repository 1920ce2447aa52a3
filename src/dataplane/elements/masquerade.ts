import { familyOf } from '../../ip/family.ts';
import { addressOf } from '../../ip/prefix.ts';
import { interfacePart, type Element } from '../../nft/element.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/**
 * Elements that say which interfaces have our containers behind them, which addresses live there, and which of
 * those are masqueraded. An interface that another plugin made is one of them when we publish ports behind it, or
 * open foreign firewalls for it.
 */
export function masqueradeElements({ link, published, ingressPolicy }: AttachmentRecord): Element[] {
  const foreign = link === undefined ? (published ?? ingressPolicy) : undefined;
  const ingressInterface = link?.ingressInterface ?? foreign?.ingressInterface;
  if (ingressInterface === undefined) return [];
  const table = 'inet drawbridge';
  const from = interfacePart(ingressInterface);
  const addresses = link?.addresses.map(({ address }) => addressOf(address)) ?? published?.addresses ?? [];
  return [
    { table, set: 'bridges', key: [from], shared: bridgeUse(ingressInterface) },
    ...addresses.flatMap((address): Element[] => {
      const family = familyOf(address);
      const home: Element = { table, set: `containers${family}`, key: [from, address] };
      if (link?.masquerade !== true) return [home];
      const bare = (link.noMasquerade ?? []).filter((network) => familyOf(network) === family);
      return [
        home,
        { table, set: `masquerade${family}`, key: [address] },
        ...bare.map((network) => ({ table, set: `bare${family}`, key: [address, network] }) as const),
      ];
    }),
  ];
}

/** The name under which the attachments of a bridge claim what they have in common: see {@link Element.shared}. */
export function bridgeUse(bridge: string): string {
  return `bridge-${bridge}`;
}
