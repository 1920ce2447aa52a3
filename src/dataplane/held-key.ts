import { protocolNumbers } from '../host/held-tables.ts';
import type { SetDeclaration } from '../nft/declaration.ts';
import { quotedInterface } from '../nft/quote.ts';

/** nft text of a key that nft listed as these parts. Throws a RangeError for an interface that no rule can name. */
export function keyOfParts({ key }: Pick<SetDeclaration, 'key'>, parts: readonly string[]): string {
  return parts
    .map((part, at) => {
      if (key[at] === 'ifname') return quotedInterface(part);
      // nft knows names of protocols only on a host that has /etc/protocols.
      if (key[at] === 'inet_proto') return protocolNumbers[part] ?? part;
      return part;
    })
    .join(' . ');
}
