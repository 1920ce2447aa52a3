import type { RulesetChange, SetChange, WireElement } from '../host/netlink/nftables/batch.ts';
import { readPolicyName } from '../egress/policy-names.ts';
import type { TableAddress } from '../host/netlink/nftables/ruleset.ts';
import { encodeData, encodeRange } from '../nft/data.ts';
import type { SetDeclaration } from '../nft/declaration.ts';
import { familyOfTable, type Element, type Part, type TableName } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { plainComment } from '../nft/quote.ts';
import { declaredSet } from './catalogue.ts';
import { groupMark, isGroupMark, layoutMark } from './layout.ts';
import type { Step } from './transaction.ts';

/** The bytes of an element's key; undefined for a set that we do not declare, or text that is no key of it. */
export function encodeKey(table: TableName, set: string, key: readonly Part[]): Uint8Array | undefined {
  const types = declarationOf(table, set)?.key;
  return types === undefined ? undefined : encodeData(types, key);
}

/**
 * Steps as the kernel takes them, in their order; undefined when they are text for nft alone: they declare a policy, or
 * have an element of a set that we do not declare, or one with counts.
 */
export function rulesetChanges(steps: readonly Step[]): RulesetChange[] | undefined {
  const changes = steps.flatMap((step): (RulesetChange | undefined)[] => {
    if ('group' in step) return step.verb === 'declare' ? [undefined] : removals(step.group);
    const bySet = Map.groupBy(step.elements, ({ table, set }) => `${table} ${set}`);
    return [...bySet.values()].map((group) => setChange(step.verb, group));
  });
  return changes.every((change) => change !== undefined) ? changes : undefined;
}

/** An element as the kernel keeps it, in one piece or two; undefined as of {@link rulesetChanges}. */
export function encodeElement(element: Element): WireElement[] | undefined {
  const { timeout, comment, counted, expires } = element;
  const bare = encodeBare(element);
  const value = encodeValue(element);
  if (bare === undefined || value === undefined || counted !== undefined || expires !== undefined) return undefined;
  const [first, ...ends] = bare;
  if (first === undefined) return undefined;
  const full = {
    ...first,
    ...value,
    ...(timeout === undefined ? {} : { timeout: Math.max(1, Math.ceil(timeout)) * 1000 }),
    ...(comment === undefined ? {} : { comment: plainComment(comment) }),
  };
  return [full, ...ends];
}

/** What a set always holds, as {@link encodeElement}. */
export function encodeConstants(set: SetDeclaration): WireElement[] | undefined {
  const encoded = (set.elements ?? []).map((key) => encodeKeys(set, key));
  return encoded.every((element) => element !== undefined) ? encoded.flat() : undefined;
}

/** What a set has at most once. */
export function identityOf({ key, lastKey = key, isEnd = false }: WireElement): string {
  return `${Buffer.from(key).toString('hex')} ${Buffer.from(lastKey).toString('hex')} ${isEnd}`;
}

export function addressOfTable(table: TableName): TableAddress {
  return { family: familyOfTable(table), table: table.slice(table.indexOf(' ') + 1) };
}

function removals({ id, sets, chains }: RuleGroup): RulesetChange[] {
  const mark = { table: 'inet drawbridge', name: groupMark(id) } as const;
  return [
    ...(['rules', 'chain'] as const).flatMap((kind) => chains.map((chain) => removal(kind, chain))),
    ...[...sets, mark].map((set) => removal('set', set)),
  ];
}

function removal(
  kind: 'rules' | 'chain' | 'set',
  { table, name }: { readonly table: TableName; readonly name: string },
): RulesetChange {
  return { verb: 'remove', ...addressOfTable(table), kind, name };
}

function setChange(verb: SetChange['verb'], elements: readonly Element[]): SetChange | undefined {
  const [first] = elements;
  if (first === undefined) return undefined;
  const encoded = elements.map((element) => (verb === 'add' ? encodeElement(element) : encodeBare(element)));
  return encoded.every((element) => element !== undefined)
    ? { verb, ...addressOfTable(first.table), set: first.set, elements: encoded.flat() }
    : undefined;
}

function encodeBare({ table, set, key }: Element): WireElement[] | undefined {
  const declared = declarationOf(table, set);
  return declared === undefined ? undefined : encodeKeys(declared, key);
}

function encodeKeys(declared: KeyDeclaration, key: readonly Part[]): WireElement[] | undefined {
  if (declared.flags?.includes('interval') === true) return encodeInterval(declared, key);
  const bytes = encodeData(declared.key, key);
  return bytes === undefined ? undefined : [{ key: bytes }];
}

/**
 * The kernel keeps an interval of a concatenation as one element with two keys, and any other as two elements: the
 * first key, and the one behind the last, which a marker tells from the beginning of another interval.
 */
function encodeInterval({ key: types }: KeyDeclaration, key: readonly Part[]): WireElement[] | undefined {
  const range = encodeRange(types, key);
  if (range === undefined) return undefined;
  const { first, last } = range;
  if (types.length > 1) return [{ key: first, lastKey: last }];
  const behind = successorOf(last);
  return [{ key: first }, ...(behind === undefined ? [] : [{ key: behind, isEnd: true }])];
}

/** Undefined behind the last key of all, where an interval has no end. */
function successorOf(bytes: Uint8Array): Uint8Array | undefined {
  const next = bytes.slice();
  for (let at = next.length - 1; at >= 0; at -= 1) {
    const byte = next[at] ?? 0;
    next[at] = byte + 1;
    if (byte < 0xff) return next;
  }
  return undefined;
}

/** Nothing for an element of a set; undefined for a value that is none of its map. */
function encodeValue({ table, set, value }: Element): Pick<WireElement, 'value' | 'verdict'> | undefined {
  const declared = declarationOf(table, set)?.value;
  if (value === undefined) return declared === undefined ? {} : undefined;
  if ('goto' in value || 'jump' in value) return declared === 'verdict' ? { verdict: value } : undefined;
  if (declared === undefined || declared === 'verdict') return undefined;
  const bytes = encodeData(declared, value);
  return bytes === undefined ? undefined : { value: bytes };
}

type KeyDeclaration = Pick<SetDeclaration, 'key' | 'value' | 'flags'>;

function declarationOf(table: TableName, set: string): KeyDeclaration | undefined {
  if (set === layoutMark || isGroupMark(set)) return { key: ['ifname'] };
  const names = readPolicyName(set)?.names;
  if (names === undefined) return declaredSet(table, set);
  return { key: [names === 4 ? 'ipv4_addr' : 'ipv6_addr'] };
}
