/**
 * Whether the rules in the kernel are still the ones that were written. nft prints a rule in its own words, which
 * change with its version; so the expected words are had from nft too, from a copy of the tables in an empty network
 * namespace that ends with the program.
 *
 *   /run/drawbridge/listings/<hash>.json    {"inet egress_out": "…", …}: what nft printed of the chains of our layout,
 *                                           or of one policy; named by the hash of what was written
 */
import { rmSync } from 'node:fs';
import { catalogue } from './catalogue.ts';
import { operatorsChain } from './catalogue/judgement-hooks.ts';
import { run } from '../host/run.ts';
import { runDir } from '../host/paths.ts';
import { familyOfTable, tableNames } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { areAsWritten, rememberAsWritten } from './as-written.ts';
import { partHash, type Part } from './parts.ts';
import { readGeneration } from '../host/netlink/nftables/generation.ts';
import { rebuildText } from './transaction.ts';
import { readText, writeWhole } from '../host/state-file.ts';

/** A chain whose rules are not the ones that were written. */
export interface ChangedChain {
  readonly family: string;
  readonly chain: string;
  readonly isMissing: boolean;
  /** The policy that it belongs to; absent: the layout. */
  readonly group?: RuleGroup;
}

/** What nft prints of chains, by "family name". */
type Listing = ReadonlyMap<string, string>;

/**
 * Finds the chains of our layout, and of any number of policies, whose rules are not the ones that were written:
 * somebody removed, added or replaced one. Throws code 100 when nft cannot be run.
 */
export async function findChangedChains(groups: readonly RuleGroup[]): Promise<ChangedChain[]> {
  if (areAsWritten(groups)) return [];
  const parts: Part[] = ['layout', ...groups];
  const at = readGeneration();
  const [found, remembered] = await Promise.all([listOurs(), listCopies(parts, (part) => recall(part))]);
  const seen = new Map(parts.map((part) => [part, differing(part, remembered.get(part), found)] as const));
  // What is remembered may be in the words of an older nft; what is missing needs none.
  const suspects = parts.filter((part) => seen.get(part)?.some(({ isMissing }) => !isMissing));
  const copies = suspects.length === 0 ? remembered : await listCopies(suspects, () => undefined);
  const changed = parts.flatMap((part) =>
    suspects.includes(part) ? differing(part, copies.get(part), found) : (seen.get(part) ?? []),
  );
  if (changed.length === 0) rememberAsWritten(groups, at);
  return changed;
}

/** For messages. */
export function describeChain({ family, chain, isMissing }: ChangedChain): string {
  return `${isMissing ? 'the' : 'rules of the'} chain "${chain}" in table "${family} drawbridge"`;
}

/** Removes what was remembered, with the tables. */
export function forgetListings(): void {
  rmSync(`${runDir}/listings`, { recursive: true, force: true });
}

async function listOurs(): Promise<Listing> {
  const { stdout } = await run('nft', ['--stateless', '--terse', '--interactive'], { input: listing, env: noHistory });
  return chainsOf(stdout);
}

/** Listings of parts as they should be; those that `known` does not have are made, all at once, and remembered. */
async function listCopies(
  parts: readonly Part[],
  known: (part: Part) => Listing | undefined,
): Promise<Map<Part, Listing>> {
  const listings = new Map(parts.map((part) => [part, known(part)] as const));
  const unknown = parts.filter((part) => listings.get(part) === undefined);
  if (unknown.length > 0) {
    const copy = await listCopy(unknown.filter((part) => part !== 'layout'));
    for (const part of unknown) {
      const names = chainNames(part);
      const own = new Map([...copy].filter(([name]) => names.has(name)));
      const file = fileOf(part);
      writeWhole(file, JSON.stringify(Object.fromEntries(own)), `Cannot write "${file}"`);
      listings.set(part, own);
    }
  }
  return new Map([...listings].flatMap(([part, found]) => (found === undefined ? [] : [[part, found] as const])));
}

function recall(part: Part): Listing | undefined {
  const text = readText(fileOf(part));
  if (text === undefined) return undefined;
  try {
    return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
  } catch {
    return undefined;
  }
}

/** What sets hold is not listed anyway. */
async function listCopy(groups: readonly RuleGroup[]): Promise<Listing> {
  const bare = groups.map((group) => ({ ...group, sets: group.sets.map((set) => ({ ...set, elements: [] })) }));
  const text = rebuildText({ groups: bare, elements: [] });
  const { stdout } = await run('unshare', ['--net', '--', 'nft', '--stateless', '--terse', '--interactive'], {
    input: `${oneLine(text)}\n${listing}`,
    env: noHistory,
  });
  return chainsOf(stdout);
}

/** nft would write what it read to $HOME/.nft.history. */
const noHistory = { HOME: '/dev/null' };

const listing = `${tableNames.map((table) => `list table ${table}\n`).join('')}quit\n`;

/**
 * All commands as one line, as nft reads what does not come from a file: a line is a transaction, and a thousand of
 * them take seconds.
 */
function oneLine(text: string): string {
  const commands = text.split('\n').filter((line) => line !== '');
  return commands.map((line) => line.trim()).join(' ; ');
}

function chainsOf(text: string): Listing {
  const chains = new Map<string, string>();
  let family = '';
  for (const block of text.split(/\n(?=table |\tchain )/u)) {
    family = /^table (\S+)/u.exec(block)?.[1] ?? family;
    const name = /\tchain (\S+) \{/u.exec(block)?.[1];
    if (name !== undefined && name !== operatorsChain)
      chains.set(`${family} ${name}`, block.slice(0, block.indexOf('\n\t}')));
  }
  return chains;
}

function differing(part: Part, expected: Listing | undefined, found: Listing): ChangedChain[] {
  return [...(expected ?? [])].flatMap(([name, text]) => {
    const present = found.get(name);
    if (present === text) return [];
    const [family = '', chain = ''] = name.split(' ');
    const group = part === 'layout' ? {} : { group: part };
    return [{ family, chain, isMissing: present === undefined, ...group }];
  });
}

/** Names as listings have them. */
function chainNames(part: Part): ReadonlySet<string> {
  const { chains } = part === 'layout' ? catalogue : part;
  return new Set(chains.map(({ table, name }) => `${familyOfTable(table)} ${name}`));
}

function fileOf(part: Part): string {
  return `${runDir}/listings/${partHash(part)}.json`;
}
