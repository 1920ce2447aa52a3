/*
 * <run folder>/ruleset.json: {"netns", "nft", "legacy4", "legacy6", "own"}: the ruleset of this namespace as it was
 * when foreign firewalls were looked at, and after every transaction of ours since. It is there while a bridge has a
 * note (note.ts). "own": {"at", "parts"}: the number of the ruleset when our own rules were looked at, moved on in the
 * same way, and what of them was as it was written.
 */
import { readFileSync, rmSync } from 'node:fs';
import { replaceFile } from '../files.ts';
import { filterDigest } from '../netlink/xtables.ts';
import { readGeneration } from '../netlink/nftables/generation.ts';
import { ownInode } from '../netns.ts';
import { runDir } from '../paths.ts';

/** What tells one ruleset from another. */
export interface RulesetState {
  readonly netns: string;
  /** nf_tables' number, which every transaction makes one higher. */
  readonly nft: number;
  /** Digests of the filter tables of iptables-legacy; absent where there is none. */
  readonly legacy4?: string;
  readonly legacy6?: string;
}

/** Rules of ours that were as they were written, by names that say what was written. */
export interface OwnRules {
  readonly at: number;
  readonly parts: readonly string[];
}

interface RulesetNote extends RulesetState {
  readonly own?: OwnRules;
}

const file = `${runDir}/ruleset.json`;

/** The ruleset as it is; undefined where that cannot be told without a child process. */
export function readRulesetState(): RulesetState | undefined {
  const nft = readGeneration();
  if (nft === undefined) return undefined;
  const [legacy4, legacy6] = ([4, 6] as const).map((family) =>
    isLegacyTableInUse(family) ? filterDigest(family) : undefined,
  );
  return {
    netns: ownInode() ?? '',
    nft,
    ...(legacy4 === undefined ? {} : { legacy4 }),
    ...(legacy6 === undefined ? {} : { legacy6 }),
  };
}

/** Whether somebody else changed the ruleset since it was noted; false where that cannot be told. */
export function isRulesetForeign(): boolean {
  const noted = readNoted();
  const state = noted === undefined ? undefined : readRulesetState();
  return noted !== undefined && state !== undefined && !isSame(noted, state);
}

/** Notes the ruleset as one that was looked at. */
export function noteRuleset(state: RulesetState): void {
  const own = readNoted()?.own;
  write({ ...state, ...(own === undefined ? {} : { own }) });
}

/** What of our own rules was as it was written, if nobody but us changed anything since. */
export function unchangedOwnRules(): readonly string[] {
  const noted = readNoted();
  const isOurs = noted?.own !== undefined && noted.netns === ownInode() && noted.own.at === readGeneration();
  return isOurs ? (noted.own?.parts ?? []) : [];
}

/** Notes what was found as it was written, where there is a note. */
export function noteOwnRules({ at, parts }: OwnRules): void {
  const noted = readNoted();
  if (noted === undefined || noted.netns !== ownInode()) return;
  const known = noted.own?.at === at ? noted.own.parts : [];
  write({ ...noted, own: { at, parts: [...new Set([...known, ...parts])] } });
}

/** Nobody needs the note any more. */
export function forgetRuleset(): void {
  rmSync(file, { force: true });
}

/**
 * Carries out a transaction of ours and notes that it was one, if nobody else's came between: one too few noted costs a
 * look, one too many would hide what somebody else did.
 */
export async function asOurs<T>(transaction: () => Promise<T>): Promise<T> {
  if (readNoted() === undefined) return transaction();
  const before = readGeneration();
  const outcome = await transaction();
  if (before === undefined || readGeneration() !== before + 1) return outcome;
  const noted = readNoted();
  const isCurrent = [noted?.nft, noted?.own?.at].includes(before);
  if (noted !== undefined && isCurrent) write(movedOn(noted, before));
  return outcome;
}

function movedOn({ own, ...state }: RulesetNote, before: number): RulesetNote {
  return {
    ...state,
    nft: state.nft === before ? before + 1 : state.nft,
    ...(own === undefined ? {} : { own: { ...own, at: own.at === before ? before + 1 : own.at } }),
  };
}

/** The kernel lists a table here from the first time that iptables-legacy looks at it in this network namespace. */
export function isLegacyTableInUse(family: 4 | 6, table = 'filter'): boolean {
  try {
    return readFileSync(`/proc/net/ip${family === 4 ? '' : '6'}_tables_names`, 'utf8')
      .split('\n')
      .includes(table);
  } catch {
    return false;
  }
}

function isSame(one: RulesetState, other: RulesetState): boolean {
  return (['netns', 'nft', 'legacy4', 'legacy6'] as const).every((key) => one[key] === other[key]);
}

function readNoted(): RulesetNote | undefined {
  try {
    const noted = JSON.parse(readFileSync(file, 'utf8')) as RulesetNote | null;
    return typeof noted?.nft === 'number' ? noted : undefined;
  } catch {
    return undefined;
  }
}

/** Without the note the next ADD looks at everything; no more. */
function write(state: RulesetNote): void {
  try {
    replaceFile(file, JSON.stringify(state));
  } catch {}
}
