import { protocolNumbers, readSet, type HeldElement } from '../host/held-tables.ts';
import { elementId, type Element } from '../nft/element.ts';
import { quotedInterface } from '../nft/quote.ts';

/**
 * Reads what our tables have counted, as elements that can be put again: how often each attachment was denied, and
 * what was denied lately. Undefined where the tables are not there. Throws code 100 when nft cannot be run.
 */
export async function readCounted(): Promise<Element[] | undefined> {
  const sets = await Promise.all(
    [...attachmentSets, ...passingSets].map(async (set) => (await readSet(set))?.flatMap((one) => counted(set, one))),
  );
  return sets.includes(undefined) ? undefined : sets.flatMap((set) => set ?? []);
}

/** Elements with the counts that belong to them. */
export function withCounts(elements: readonly Element[], known: readonly Element[]): Element[] {
  const counts = new Map(known.map((element) => [elementId(element), element.counted]));
  return elements.map((element) => {
    const count = counts.get(elementId(element));
    return count === undefined ? element : { ...element, counted: count };
  });
}

/** Of what was counted, the part that packets put there and that stands for itself: what was denied lately. */
export function deniedLately(known: readonly Element[]): Element[] {
  return known.filter(({ set }) => passingSets.includes(set));
}

/** One element for each attachment and address (egress/layout.ts). */
const attachmentSets: readonly string[] = ['denials4', 'denials6'];
/** Elements that packets make, and that the kernel drops ten minutes after the last packet. */
const passingSets: readonly string[] = ['denied4', 'denied6', 'denied4_portless', 'denied6_portless'];

function counted(set: string, { parts, packets, bytes, expires }: HeldElement): Element[] {
  if (packets === undefined || bytes === undefined || expires === 0) return [];
  return [
    {
      table: 'inet drawbridge',
      set,
      key: attachmentSets.includes(set) ? attachmentKey(parts) : deniedKey(parts),
      counted: { packets, bytes },
      ...(expires === undefined ? {} : { expires }),
    },
  ];
}

function attachmentKey([name = '', ...rest]: readonly string[]): string {
  return [quotedInterface(name), ...rest].join(' . ');
}

/** The protocol as a number: nft knows names of protocols only on a host that has /etc/protocols. */
function deniedKey([source = '', destination = '', protocol = '', ...rest]: readonly string[]): string {
  return [source, destination, protocolNumbers[protocol] ?? protocol, ...rest].join(' . ');
}
