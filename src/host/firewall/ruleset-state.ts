/*
 * <run folder>/ruleset.json: {"netns", "nft", "legacy4", "legacy6"}: the ruleset of this namespace as it was when
 * foreign firewalls were looked at, and after every transaction of ours since. It is there while a bridge has a note
 * (note.ts).
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
  write(state);
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
  const noted = readNoted();
  if (noted === undefined) return transaction();
  const before = readGeneration();
  const outcome = await transaction();
  if (before === noted.nft && readGeneration() === before + 1) write({ ...noted, nft: before + 1 });
  return outcome;
}

/** The kernel lists a table here from the first time that iptables-legacy looks at it in this network namespace. */
export function isLegacyTableInUse(family: 4 | 6): boolean {
  try {
    return readFileSync(`/proc/net/ip${family === 4 ? '' : '6'}_tables_names`, 'utf8')
      .split('\n')
      .includes('filter');
  } catch {
    return false;
  }
}

function isSame(one: RulesetState, other: RulesetState): boolean {
  return (['netns', 'nft', 'legacy4', 'legacy6'] as const).every((key) => one[key] === other[key]);
}

function readNoted(): RulesetState | undefined {
  try {
    const noted = JSON.parse(readFileSync(file, 'utf8')) as RulesetState | null;
    return typeof noted?.nft === 'number' ? noted : undefined;
  } catch {
    return undefined;
  }
}

/** Without the note the next ADD looks at everything; no more. */
function write(state: RulesetState): void {
  try {
    replaceFile(file, JSON.stringify(state));
  } catch {}
}
