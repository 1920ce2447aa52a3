import { readSet, type HeldElement } from '../host/held-tables.ts';
import type { SetDeclaration } from '../nft/declaration.ts';
import { elementId, type Element } from '../nft/element.ts';
import { catalogue, declaredSet } from './catalogue.ts';
import { heldKey } from './held-key.ts';

/**
 * Reads what our tables have counted, as elements that can be put again: how often each attachment was denied, and
 * what was denied lately. Undefined where the tables are not there. Throws code 100 when nft cannot be run.
 */
export async function readCounted(): Promise<Element[] | undefined> {
  const sets = await Promise.all(
    countedSets.map(async (set) => (await readSet(set.name, set.table))?.flatMap((one) => counted(set, one))),
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
  return known.filter(({ table, set }) => declaredSet(table, set)?.filledBy === 'counter');
}

const countedSets = catalogue.sets.filter(({ isCounted }) => isCounted === true);

function counted(set: SetDeclaration, { parts, packets, bytes, expires }: HeldElement): Element[] {
  if (packets === undefined || bytes === undefined || expires === 0) return [];
  return [
    {
      table: set.table,
      set: set.name,
      key: heldKey(set, parts),
      counted: { packets, bytes },
      ...(expires === undefined ? {} : { expires }),
    },
  ];
}
