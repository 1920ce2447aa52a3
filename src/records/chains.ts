/**
 * Whether the rules in the kernel are still the ones that were written. nft prints a rule in its own words, which
 * change with its version; so the expected words are had from nft too, from a copy of the tables in an empty network
 * namespace that ends with the program.
 *
 *   /run/drawbridge/listings/<hash of the text>.txt    what nft printed of that copy
 */
import { sha256 } from '../digest/sha256.ts';
import { rmSync } from 'node:fs';
import { run } from '../host/run.ts';
import { runDir } from '../host/paths.ts';
import { desired } from '../nft/desired.ts';
import type { RuleGroup } from '../nft/group.ts';
import { rebuildText } from '../nft/transaction.ts';
import type { AttachmentRecord } from './record.ts';
import { readText, writeWhole } from './store.ts';

/** The chain that is there for operators to put a log rule into. */
const operatorsChain = 'deny_log';

/**
 * Names the chains of our tables, and of the policy of an attachment, whose rules are not the ones that were written:
 * somebody removed, added or replaced one. Throws code 100 when nft cannot be run.
 */
export async function findChangedChains(record: AttachmentRecord): Promise<string[]> {
  return findChangedChainsOf(desired(record).groups);
}

/** As {@link findChangedChains}, for any number of policies at the price of one. */
export async function findChangedChainsOf(groups: readonly RuleGroup[]): Promise<string[]> {
  const text = rebuildText({ groups, elements: [] });
  const file = `${runDir}/listings/${sha256(text).slice(0, 16)}.txt`;
  const [found, remembered] = await Promise.all([listOurs(), readText(file) ?? listCopy(text)]);
  const changed = differing(chainsOf(remembered), found);
  if (changed.length === 0) {
    if (readText(file) === undefined) writeWhole(file, remembered, `Cannot write "${file}"`);
    return [];
  }
  // What is remembered may be in the words of an older nft.
  return differing(chainsOf(await listCopy(text)), found);
}

/** Removes what was remembered, with the tables. */
export function forgetListings(): void {
  rmSync(`${runDir}/listings`, { recursive: true, force: true });
}

async function listOurs(): Promise<Map<string, string>> {
  const { stdout } = await run('nft', ['--stateless', '--terse', '--interactive'], { input: listing, env: noHistory });
  return chainsOf(stdout);
}

async function listCopy(text: string): Promise<string> {
  const { stdout } = await run('unshare', ['--net', '--', 'nft', '--stateless', '--terse', '--interactive'], {
    input: `${oneLineEach(text)}${listing}`,
    env: noHistory,
  });
  return stdout;
}

/** nft would write what it read to $HOME/.nft.history. */
const noHistory = { HOME: '/dev/null' };

const listing = 'list table inet drawbridge\nlist table bridge drawbridge\nquit\n';

/** A command a line, as nft reads them when they do not come from a file. */
function oneLineEach(text: string): string {
  return text.replaceAll(/\n(?!table |delete |add |create |$)\s*/gu, ' ; ');
}

/** Text of each chain, by "family name". */
function chainsOf(text: string): Map<string, string> {
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

function differing(expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  return [...expected].flatMap(([name, text]) => {
    const present = found.get(name);
    if (present === text) return [];
    const [family, chain] = name.split(' ');
    return [`${present === undefined ? 'the' : 'rules of the'} chain "${chain}" in table "${family} drawbridge"`];
  });
}
