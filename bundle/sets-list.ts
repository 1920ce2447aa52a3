import { catalogue } from '../src/dataplane/catalogue.ts';
import type { FilledBy, SetDeclaration } from '../src/nft/declaration.ts';

const begin = '<!-- sets: "npm run docs" writes what follows -->\n';
const end = '<!-- end of sets -->\n';

/** A page with its list of our sets as the catalogue has them. Throws when the page has no place for it. */
export function withSetsList(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`Cannot find ${begin.trim()} and ${end.trim()} in the page`);
  return `${page.slice(0, from)}${begin}\n${setsList()}\n${page.slice(to)}`;
}

/** What fills a set, for readers. */
const filledBy: Readonly<Record<FilledBy, string>> = {
  record: 'records',
  constant: 'the layout',
  host: 'ADD and the agent',
  expiring: 'expiring',
  peers: 'a filler',
  counter: 'packets',
  bucket: 'packets, for a rate or a number',
};

/** The same set for IPv4 and IPv6 is one row. */
function setsList(): string {
  const rows = Map.groupBy(catalogue.sets, ({ table, name, about }) => `${table} ${withoutFamily(name)} ${about}`);
  const lines = [...rows.values()].flatMap(([set, other]) =>
    set === undefined
      ? []
      : [
          `| \`${set.name}\`${other === undefined ? '' : `, \`${other.name}\``} | ${typesOf(set)} | ${filledBy[set.filledBy]} | ${set.about} |`,
        ],
  );
  return ['| set or map | holds | filled by | what an element says |', '|---|---|---|---|', ...lines, ''].join('\n');
}

function withoutFamily(name: string): string {
  return name.replace(/[46](?=_|$)/u, '');
}

function typesOf({ key, value }: SetDeclaration): string {
  if (value === undefined) return partsText(key);
  return `${partsText(key)} : ${value === 'verdict' ? 'chain' : partsText(value)}`;
}

function partsText(types: readonly string[]): string {
  return types.map((type) => type.replace(/^ipv[46]_addr$/u, 'address')).join(' . ');
}
