/** What the kernel tells of changes to rules (group NFNLGRP_NFTABLES of nfnetlink), whoever makes them. Pure. */
import { decodeAttributes, decodeList, readText, u8, type Answer } from '../message.ts';
import { attributes, families, messages, subsystem } from './numbers.ts';

/** One change that was committed. */
export interface RulesetEvent {
  readonly kind: 'table' | 'chain' | 'rule' | 'set' | 'element' | 'object' | 'flowtable';
  readonly isRemoval: boolean;
  /** "inet", "bridge", "ip"; empty for one that nft has no word for. */
  readonly family: string;
  readonly table: string;
  /** Of the chain, of a rule's chain, of the set, of an element's set; empty for a table. */
  readonly name: string;
  /** Keys of the elements that went, as bytes. None are read of elements that came. */
  readonly keys: readonly Uint8Array[];
}

/** Undefined for what is no change of an object: a new generation, a trace. */
export function decodeRulesetEvent({ type, payload }: Answer): RulesetEvent | undefined {
  const kind = type >> 8 === subsystem ? kinds.get(type & 0xff) : undefined;
  if (kind === undefined) return undefined;
  const found = decodeAttributes(payload.subarray(4));
  const named = (attribute: number): string => readText(found.get(attribute) ?? u8());
  return {
    ...kind,
    family: families.get(payload[0] ?? 0) ?? '',
    table: named(attributes.table),
    name: kind.kind === 'table' ? '' : named(kind.kind === 'chain' ? attributes.chainName : attributes.name),
    keys: kind.kind === 'element' && kind.isRemoval ? keysOf(found.get(attributes.elements) ?? u8()) : [],
  };
}

const kinds = new Map<number, Pick<RulesetEvent, 'kind' | 'isRemoval'>>(
  Object.entries(messages).flatMap(([kind, { added, deleted, destroyed }]) => [
    [added, { kind: kind as RulesetEvent['kind'], isRemoval: false }] as const,
    // What "destroy" took is told under a number of its own since Linux 6.3.
    ...[deleted, destroyed].map((number) => [number, { kind: kind as RulesetEvent['kind'], isRemoval: true }] as const),
  ]),
);

/** One attribute for each element, all of one type. */
function keysOf(list: Uint8Array): Uint8Array[] {
  return decodeList(list).flatMap((element) => {
    const key = decodeAttributes(element).get(attributes.elementKey);
    const value = key === undefined ? undefined : decodeAttributes(key).get(attributes.dataValue);
    return value === undefined ? [] : [value];
  });
}
