/**
 * The chains and sets of one distinct policy, shared by every attachment under that policy.
 * They are declared with the first of those attachments and removed with the last.
 */
export interface RuleGroup {
  /** The policy's id: equal ids mean equal lines. */
  readonly id: string;
  /** Whole nft commands, in order: `add set …`, `add chain …`, `add rule …`. */
  readonly add: readonly string[];
  /** Whole nft commands that undo `add`: `delete chain …`, `delete set …`. */
  readonly remove: readonly string[];
}
