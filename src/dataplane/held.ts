import { RulesetReader } from '../host/netlink/nftables/ruleset.ts';
import type { WireElement } from '../host/netlink/nftables/batch.ts';
import { tableNames, type Element } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { areAsWritten } from './as-written.ts';
import { addressOfTable, encodeElement, identityOf } from './element-bytes.ts';
import { areListed } from './lists.ts';
import { groupMark, layoutMark } from './layout.ts';

/**
 * As isInForce() in check.ts, asked of the kernel by this process; undefined where it cannot ask. An element is asked
 * for by its key, whatever else is in its set; of a set of which many are asked for, all are told at once.
 */
export function areHeld(elements: readonly Element[], groups: readonly RuleGroup[]): boolean | undefined {
  const reader = RulesetReader.open();
  if (reader === undefined) return undefined;
  const isMarked =
    tableNames.every((table) => reader.hasSet(addressOfTable(table), layoutMark)) &&
    groups.every(({ id }) => reader.hasSet(addressOfTable('inet drawbridge'), groupMark(id)));
  if (!isMarked) return false;
  for (const own of Map.groupBy(elements, ({ table, set }) => `${table} ${set}`).values()) {
    const areThere = areInSet(reader, own);
    if (areThere !== true) return areThere;
  }
  return areAsWritten(groups) || areListed(reader, groups);
}

/** So many questions take as long as one about everything. */
const mostAskedFor = 16;

function areInSet(reader: RulesetReader, elements: readonly Element[]): boolean | undefined {
  const [first] = elements;
  if (first === undefined) return true;
  const encoded = elements.map(encodeElement);
  if (!encoded.every((element) => element !== undefined)) return undefined;
  const wanted = encoded.flat();
  const address = addressOfTable(first.table);
  if (wanted.length < mostAskedFor && wanted.every((one) => isAlone(one, encoded))) {
    const isFound = wanted.map((element) => {
      const found = reader.findElement(address, first.set, element);
      return found !== undefined && isSame(found, element);
    });
    // Of intervals within each other the kernel tells the narrowest.
    if (wanted.every((element, at) => isFound[at] === true || element.lastKey === undefined))
      return isFound.every(Boolean);
  }
  const held = new Map(reader.listElements(address, first.set).map((element) => [identityOf(element), element]));
  return wanted.every((element) => {
    const found = held.get(identityOf(element));
    return found !== undefined && isSame(found, element);
  });
}

/** A half of an interval cannot be asked for by its key. */
function isAlone(element: WireElement, encoded: readonly (readonly WireElement[])[]): boolean {
  return encoded.every((pieces) => pieces.length === 1) && element.isEnd !== true;
}

function isSame(one: WireElement, other: WireElement): boolean {
  return (
    identityOf(one) === identityOf(other) &&
    bytesText(one.value) === bytesText(other.value) &&
    JSON.stringify(one.verdict) === JSON.stringify(other.verdict)
  );
}

function bytesText(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes).toString('hex');
}
