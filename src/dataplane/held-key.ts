import { protocolNumbers } from '../host/held-tables.ts';
import type { SetDeclaration } from '../nft/declaration.ts';
import { interfacePart, type Part } from '../nft/element.ts';

/** The key of an element that nft listed as these parts. Throws a RangeError for an interface that no rule can name. */
export function heldKey({ key }: Pick<SetDeclaration, 'key'>, parts: readonly string[]): Part[] {
  return parts.map((part, at) => {
    if (key[at] === 'ifname') return interfacePart(part);
    // nft knows names of protocols only on a host that has /etc/protocols.
    if (key[at] === 'inet_proto') return protocolNumbers[part] ?? part;
    return part;
  });
}
