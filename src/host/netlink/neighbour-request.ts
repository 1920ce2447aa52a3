import { addressBytes } from '../../ip/bytes.ts';
import { macBytes } from './mac.ts';
import { attribute, concat, flag, type, u16, u32, u8, type Request } from './message.ts';

/** struct ndmsg. Of an address; without one the entry is in the table of the bridge that the interface is a port of. */
export function planNeighbour({
  name,
  address,
  mac,
  isPermanent = false,
}: Neighbour): ((lookup: { readonly index: (name: string) => number }) => Request) | undefined {
  const [bytes, link] = [addressBytes(address ?? '::'), macBytes(mac)];
  if (bytes === undefined || link === undefined) return undefined;
  const [family, state, flags] =
    address === undefined
      ? [AF_BRIDGE, NUD_NOARP, NTF_MASTER]
      : [bytes.length === 4 ? AF_INET : AF_INET6, isPermanent ? NUD_PERMANENT : NUD_REACHABLE, 0];
  return ({ index }) => ({
    type: type.newNeighbour,
    flags: flag.create | flag.replace,
    head: concat([u8(family, 0, 0, 0), u32(index(name)), u16(state), u8(flags, 0)]),
    attributes: [
      ...(address === undefined ? [] : [attribute(nda.destination, bytes)]),
      attribute(nda.linkAddress, link),
    ],
  });
}

const nda = { destination: 1, linkAddress: 2 } as const;
const [AF_INET, AF_BRIDGE, AF_INET6, NTF_MASTER] = [2, 7, 10, 0x04];
const [NUD_REACHABLE, NUD_NOARP, NUD_PERMANENT] = [0x02, 0x40, 0x80];
type Neighbour = {
  readonly name: string;
  readonly address?: string;
  readonly mac: string;
  readonly isPermanent?: boolean;
};
