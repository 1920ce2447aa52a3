/**
 * The tables as text, without what belongs to attachments and policies.
 *
 *   set layout_<hash>   named by the hash of all this text: who adds to it fails on another layout
 *   set group_<hash>    one for each policy whose chains and sets are declared (nft/group.ts)
 */
import { sha256 } from '../digest/sha256.ts';
import { areUsualMarks } from '../egress/marks.ts';
import { ownNat64 } from '../egress/nat64.ts';
import { chainBlock, constantCommands, counterBlock, setBlock, timeoutBlock } from '../nft/declaration-text.ts';
import { dataText, tableNames, type Part, type TableName } from '../nft/element.ts';
import { catalogue, type Catalogue } from './catalogue.ts';

declare const DRAWBRIDGE_LAYOUT: string | undefined;

/**
 * Name of the set that stands for all declarations of this program's version, with the bits of marks and the prefixes
 * of NAT64 in them; the build works it out beforehand for the usual ones.
 */
export const layoutMark =
  typeof DRAWBRIDGE_LAYOUT === 'string' && areUsualMarks && ownNat64 === ''
    ? DRAWBRIDGE_LAYOUT
    : mark('layout', JSON.stringify(tableNames.map((table) => blocksOf(table, catalogue))));

/** Name of the set that stands for the chains and sets of a policy. */
export function groupMark(id: string): string {
  return mark('group', id);
}

/** Whether a set has a name of {@link groupMark}. */
export function isGroupMark(name: string): boolean {
  return /^group_[0-9a-f]{16}$/.test(name);
}

/** Key of the one element that those sets hold. */
export const markKey: readonly Part[] = [{ interface: 'in-force' }];

/** nft text of a table with its declarations and no element but the layout's; `name` is for a trial under another. */
export function tableText(table: TableName, { name = table, from = catalogue }: TableTextOptions = {}): string {
  const layout = `  set ${layoutMark} { type ifname; elements = { ${dataText(markKey)} } }`;
  return [`table ${name} {`, layout, ...blocksOf(table, from), '}', ''].join('\n');
}

export interface TableTextOptions {
  readonly name?: string;
  readonly from?: Catalogue;
}

/** Commands that delete what sets of the layout list: they fail where some of it is not there. */
export function listedByLayout(): string[] {
  return catalogue.sets.flatMap((set) => constantCommands('delete', set));
}

/**
 * Commands that give a chain of the layout its rules again; undefined when the layout has no such chain. The chain is
 * declared as well: where it is gone, adding to it makes it.
 */
export function restoredChain(table: TableName, name: string): string | undefined {
  const chain = catalogue.chains.find((one) => one.table === table && one.name === name);
  if (chain === undefined) return undefined;
  return `add chain ${table} ${name}\nflush chain ${table} ${name}\ntable ${table} {\n${chainBlock(chain)}\n}\n`;
}

function mark(kind: string, text: string): string {
  return `${kind}_${sha256(text).slice(0, 16)}`;
}

function blocksOf(table: TableName, { sets, counters, timeouts, chains }: Catalogue): string[] {
  return [
    ...sets.filter((set) => set.table === table).map(setBlock),
    ...counters.filter((counter) => counter.table === table).map(counterBlock),
    ...timeouts.filter((timeout) => timeout.table === table).map(timeoutBlock),
    ...chains.filter((chain) => chain.table === table).map(chainBlock),
  ];
}
