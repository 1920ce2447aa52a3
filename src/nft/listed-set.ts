import { formatAddressValue, intervalOf, parseAddressValue } from '../egress/interval.ts';
import type { RuleGroup } from './group.ts';

/** A set that is declared with what it lists: ranges, most of them. */
export interface ListedSet {
  /** With its table: "inet drawbridge private4". */
  readonly set: string;
  /** nft texts. */
  readonly elements: readonly string[];
}

/** What the sets of a group list. */
export function listedBy({ add }: RuleGroup): ListedSet[] {
  return add.flatMap((line) => {
    const [, set, elements] = /^add element (.+?) \{ (.*) \}$/.exec(line) ?? [];
    return set === undefined || elements === undefined ? [] : [{ set, elements: elements.split(', ') }];
  });
}

/**
 * Whether sets hold just what they should list, by what `nft list set` printed of them, one after the other and maybe
 * among others. How nft writes a range differs with its version: what is compared are first and last address.
 */
export function listJust(sets: readonly ListedSet[], printed: string): boolean {
  const found = new Map(
    [...printed.matchAll(/^table (.+) \{\n\t(?:set|map) (\S+) \{\n([^]*?)\n\t\}/gm)].map(
      ([, table, name, body = '']) => [`${table} ${name}`, elementsIn(body)],
    ),
  );
  return sets.every(({ set, elements }) => isSame(found.get(set), elements));
}

function elementsIn(body: string): string[] {
  const [, elements] = /\belements = \{ ([^}]*?) \}/.exec(body) ?? [];
  return elements === undefined ? [] : elements.split(',').map((element) => element.trim());
}

function isSame(found: readonly string[] | undefined, wanted: readonly string[]): boolean {
  if (found?.length !== wanted.length) return false;
  const there = new Set(found.map(canonical));
  return wanted.every((element) => there.has(canonical(element)));
}

/** A concatenation part by part; addresses and ports as ranges of numbers. */
function canonical(element: string): string {
  return element
    .split(' . ')
    .map((part) => asRange(part) ?? (/^\d+$/.test(part) ? `${part}-${part}` : part))
    .join(' . ');
}

function asRange(part: string): string | undefined {
  const [first = '', last = first] = part.split('-');
  const [from, to] = [parseAddressValue(first.split('/', 1)[0] ?? ''), parseAddressValue(last.split('/', 1)[0] ?? '')];
  if (from === undefined || to === undefined) return undefined;
  const whole = part.includes('/')
    ? intervalOf(`${formatAddressValue(from.family, from.value)}/${part.split('/')[1]}`)
    : undefined;
  return whole === undefined ? `${from.value}-${to.value}` : `${whole.from}-${whole.to}`;
}
