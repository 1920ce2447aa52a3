import { chainCommands, constantCommands, setCommand } from './declaration-text.ts';
import type { ChainDeclaration, SetDeclaration } from './declaration.ts';

/**
 * The chains and sets of one distinct policy, shared by every attachment under that policy.
 * They are declared with the first of those attachments and removed with the last.
 */
export interface RuleGroup {
  /** The policy's id: equal ids mean equal declarations. */
  readonly id: string;
  readonly sets: readonly SetDeclaration[];
  /** Elements of maps lead to those without a hook. */
  readonly chains: readonly ChainDeclaration[];
  /** What its chains count is kept elsewhere when they are written anew (dataplane/quotas.ts). */
  readonly quota?: QuotaOfGroup;
}

/** Whose bytes the one chain of a group counts, and how many there may be in a period. */
export interface QuotaOfGroup {
  /** Key of the attachment. */
  readonly key: string;
  readonly bytes: number;
  readonly per: 'hour' | 'day' | 'week' | 'month';
}

/**
 * Commands that declare a group, or give it what it should have. They may be run again, also in one transaction, with
 * what they made before. Sets are not flushed for it: the id stands for their contents, and flushing a large
 * concatenated set takes seconds.
 */
export function declaringCommands({ sets, chains }: RuleGroup): string[] {
  return [
    ...sets.map(setCommand),
    ...sets.flatMap((set) => constantCommands('add', set)),
    ...chains.flatMap(chainCommands),
  ];
}

/** Commands that undo {@link declaringCommands}; they fail while something leads to one of the chains. */
export function removingCommands({ sets, chains }: RuleGroup): string[] {
  return [
    // The chains of a group lead to one another.
    ...chains.map(({ table, name }) => `flush chain ${table} ${name}`),
    ...chains.map(({ table, name }) => `delete chain ${table} ${name}`),
    ...sets.map(({ table, name }) => `delete set ${table} ${name}`),
  ];
}
