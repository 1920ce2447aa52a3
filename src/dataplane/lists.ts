import type { RulesetReader } from '../host/netlink/nftables/ruleset.ts';
import type { RuleGroup } from '../nft/group.ts';
import { catalogue } from './catalogue.ts';
import { addressOfTable, encodeConstants, identityOf } from './element-bytes.ts';

/**
 * Whether the sets of the layout and of groups hold what they always hold, each set told once; undefined for a list
 * that cannot be asked for so.
 */
export function areListed(reader: RulesetReader, groups: readonly RuleGroup[]): boolean | undefined {
  for (const set of [...catalogue.sets, ...groups.flatMap(({ sets }) => sets)]) {
    if (set.elements === undefined || set.elements.length === 0) continue;
    const wanted = encodeConstants(set);
    if (wanted === undefined) return undefined;
    const held = new Set(reader.listElements(addressOfTable(set.table), set.name).map(identityOf));
    if (!wanted.every((element) => held.has(identityOf(element)))) return false;
  }
  return true;
}
