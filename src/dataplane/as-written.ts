/**
 * Whether our rules are the ones that were written, without a process. nft knows what a rule means, and its words are
 * compared by changed-chains.ts; what it found in order is remembered here as the kernel has it.
 *
 *   /run/drawbridge/listings/<hash>.wire    digest of the chains and lists of the layout, or of one policy, in the
 *                                           kernel; named by the hash of what was written
 *
 * Where the ruleset has still the number that it had then, or had after what we did ourselves since, nothing is read.
 */
import { sha256 } from '../digest/sha256.ts';
import { noteOwnRules, unchangedOwnRules } from '../host/firewall/ruleset-state.ts';
import { readGeneration } from '../host/netlink/nftables/generation.ts';
import { RulesetReader, type TableAddress, type WireExpression } from '../host/netlink/nftables/ruleset.ts';
import { RefusedError } from '../host/netlink/conversation.ts';
import { concat, decodeAttributes, readText, u8 } from '../host/netlink/message.ts';
import { readText as readFile, writeWhole } from '../host/state-file.ts';
import { runDir } from '../host/paths.ts';
import { tableNames, type TableName } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { catalogue } from './catalogue.ts';
import { operatorsChain } from './catalogue/judgement-hooks.ts';
import { addressOfTable } from './element-bytes.ts';
import { areListed } from './lists.ts';
import { partHash, type Part } from './parts.ts';

/** What this process has seen in order, and at which number of the ruleset. */
let seen: { readonly at: number; readonly parts: Set<string> } | undefined;

/**
 * Whether the chains of our layout and of these policies have the rules that were written, and their sets what they
 * always hold. False says nothing: it is to be found out otherwise.
 */
export function areAsWritten(groups: readonly RuleGroup[]): boolean {
  const parts: Part[] = ['layout', ...groups];
  const at = readGeneration();
  if (at === undefined) return false;
  const known = new Set([...(seen?.at === at ? seen.parts : []), ...unchangedOwnRules()]);
  const unknown = parts.filter((part) => !known.has(partHash(part)));
  if (unknown.length === 0) return true;
  const remembered = unknown.map((part) => readFile(fileOf(part)));
  if (remembered.includes(undefined)) return false;
  const found = digestsOf(unknown);
  if (found === undefined || found.some((digest, place) => digest !== remembered[place])) return false;
  note(at, parts);
  return true;
}

/** Remembers them as they are: nft has found their chains in order when the ruleset had the number `at`. */
export function rememberAsWritten(groups: readonly RuleGroup[], at: number | undefined): void {
  if (at === undefined || at !== readGeneration()) return;
  const reader = RulesetReader.open();
  if (reader === undefined || areListed(reader, groups) !== true) return;
  const parts: Part[] = ['layout', ...groups];
  const digests = digestsOf(parts);
  if (digests === undefined || at !== readGeneration()) return;
  for (const [place, part] of parts.entries()) {
    const file = fileOf(part);
    writeWhole(file, digests[place] ?? '', `Cannot write "${file}"`);
  }
  note(at, parts);
}

function note(at: number, parts: readonly Part[]): void {
  // Whatever was read before somebody changed something is of no number.
  if (at !== readGeneration()) return;
  const hashes = parts.map(partHash);
  seen = { at, parts: new Set([...(seen?.at === at ? seen.parts : []), ...hashes]) };
  noteOwnRules({ at, parts: hashes });
}

function fileOf(part: Part): string {
  return `${runDir}/listings/${partHash(part)}.wire`;
}

/** Undefined where the kernel cannot be asked. */
function digestsOf(parts: readonly Part[]): string[] | undefined {
  const reader = RulesetReader.open();
  if (reader === undefined) return undefined;
  try {
    const chains = chainsOf(reader);
    return parts.map((part) => {
      const { sets, chains: own } = part === 'layout' ? catalogue : part;
      return sha256(
        JSON.stringify([
          own.flatMap(({ table, name }) =>
            name === operatorsChain ? [] : [name, chains.get(`${table} ${name}`) ?? ''],
          ),
          sets.flatMap(({ table, name, elements = [] }) =>
            elements.length === 0 ? [] : [name, contentsOf(reader, addressOfTable(table), name)],
          ),
        ]),
      );
    });
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

/** What chains hang on and do, by "table name". */
function chainsOf(reader: RulesetReader): Map<string, string> {
  return new Map(
    tableNames.flatMap((table: TableName) => {
      const address = addressOfTable(table);
      const rules = Map.groupBy(reader.listRules(address), ({ chain }) => chain);
      return reader.listChains(address).map(({ name, shape }) => {
        const texts = (rules.get(name) ?? []).map(
          ({ expressions, note: comment }) =>
            `${expressions.map((one) => expressionText(reader, address, one)).join(' ')} ${hex(comment)}`,
        );
        return [`${table} ${name}`, `${hex(shape)} ${texts.join('\n')}`] as const;
      });
    }),
  );
}

/** Of linux/netfilter/nf_tables.h. */
const NFTA_LOOKUP_SET = 1;
const NFTA_LOOKUP_SET_ID = 4;
const NFTA_QUOTA_BYTES = 1;

/** What an expression does, without what it has counted. A set without a name is what it holds. */
function expressionText(reader: RulesetReader, address: TableAddress, { name, data }: WireExpression): string {
  if (name === 'counter' || name === 'last') return name;
  if (name === 'quota') return `quota ${hex(decodeAttributes(data).get(NFTA_QUOTA_BYTES) ?? u8())}`;
  const found = decodeAttributes(data);
  const set = readText(name === 'lookup' ? (found.get(NFTA_LOOKUP_SET) ?? u8()) : u8());
  if (!set.startsWith('__')) return `${name} ${hex(data)}`;
  const rest = [...found].filter(([number]) => number !== NFTA_LOOKUP_SET && number !== NFTA_LOOKUP_SET_ID);
  return `${name} ${rest.map(([number, value]) => `${number} ${hex(value)}`).join(' ')} ${contentsOf(reader, address, set)}`;
}

function contentsOf(reader: RulesetReader, address: TableAddress, set: string): string {
  const elements = reader
    .listElements(address, set)
    .map(({ key, lastKey = key, isEnd = false, value = u8(), verdict = '' }) =>
      [hex(concat([key, lastKey, value])), isEnd, verdict].map((part) => JSON.stringify(part)).join(' '),
    );
  return sha256(elements.toSorted().join('\n'));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
