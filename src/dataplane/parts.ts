import { sha256 } from '../digest/sha256.ts';
import { declaringCommands, type RuleGroup } from '../nft/group.ts';
import { layoutMark } from './layout.ts';

/** The layout, or the chains and sets of one policy. */
export type Part = RuleGroup | 'layout';

const hashes = new WeakMap<RuleGroup, string>();

/**
 * Names what is written of a part. The rules of a policy may change with the version of this program while its id does
 * not.
 */
export function partHash(part: Part): string {
  if (part === 'layout') return layoutMark;
  const known = hashes.get(part) ?? sha256([layoutMark, ...declaringCommands(part)].join('\n')).slice(0, 16);
  hashes.set(part, known);
  return known;
}
