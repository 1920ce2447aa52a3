import type { ElementChange, WireElement } from '../host/netlink/nftables/elements.ts';
import { readPolicyName } from '../egress/policy-names.ts';
import { encodeData } from '../nft/data.ts';
import type { SetDeclaration } from '../nft/declaration.ts';
import type { Element, Part, TableName } from '../nft/element.ts';
import { plainComment } from '../nft/quote.ts';
import { declaredSet } from './catalogue.ts';
import { layoutMark } from './layout.ts';
import type { ElementStep } from './transaction.ts';

/** The bytes of an element's key; undefined for a set that we do not declare, or text that is no key of it. */
export function encodeKey(table: TableName, set: string, key: readonly Part[]): Uint8Array | undefined {
  const types = typesOf(table, set)?.key;
  return types === undefined ? undefined : encodeData(types, key);
}

/** Steps as the kernel takes them, in their order; undefined when an element is of a set that we do not declare. */
export function elementChanges(steps: readonly ElementStep[]): ElementChange[] | undefined {
  const changes = steps.flatMap(({ verb, elements }) =>
    [...Map.groupBy(elements, ({ table, set }) => `${table} ${set}`).values()].map((group) => changeOf(verb, group)),
  );
  return changes.every((change) => change !== undefined) ? changes : undefined;
}

function changeOf(verb: ElementStep['verb'], elements: readonly Element[]): ElementChange | undefined {
  const [first] = elements;
  if (first === undefined) return undefined;
  const [family = '', table = ''] = first.table.split(' ');
  const encoded = elements.map((element) => (verb === 'add' ? encodeElement(element) : encodeBare(element)));
  return encoded.every((element) => element !== undefined)
    ? { verb, family, table, set: first.set, elements: encoded }
    : undefined;
}

function encodeBare({ table, set, key }: Element): WireElement | undefined {
  const bytes = encodeKey(table, set, key);
  return bytes === undefined ? undefined : { key: bytes };
}

function encodeElement(element: Element): WireElement | undefined {
  const bare = encodeBare(element);
  const value = encodeValue(element);
  if (bare === undefined || value === undefined) return undefined;
  const { timeout, comment } = element;
  return {
    ...bare,
    ...value,
    ...(timeout === undefined ? {} : { timeout: Math.max(1, Math.ceil(timeout)) * 1000 }),
    ...(comment === undefined ? {} : { comment: plainComment(comment) }),
  };
}

/** Nothing for an element of a set; undefined for a value that is none of its map. */
function encodeValue({ table, set, value }: Element): Pick<WireElement, 'value' | 'goto'> | undefined {
  const declared = typesOf(table, set)?.value;
  if (value === undefined) return declared === undefined ? {} : undefined;
  if ('goto' in value) return declared === 'verdict' ? { goto: value.goto } : undefined;
  if ('jump' in value || declared === undefined || declared === 'verdict') return undefined;
  const bytes = encodeData(declared, value);
  return bytes === undefined ? undefined : { value: bytes };
}

function typesOf(table: TableName, set: string): Pick<SetDeclaration, 'key' | 'value'> | undefined {
  if (set === layoutMark) return { key: ['ifname'] };
  const names = readPolicyName(set)?.names;
  if (names === undefined) return declaredSet(table, set);
  return { key: [names === 4 ? 'ipv4_addr' : 'ipv6_addr'] };
}
