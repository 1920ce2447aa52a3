import type { RulesetEvent } from '../../host/netlink/nftables/event.ts';
import { chainKey, elementKey, groupKey, layoutKey } from '../../repair/resource-key.ts';
import { everythingOf, type ChangeEvent } from '../../repair/change-event.ts';

/** What a change of rules gives reason to look at; nothing for what plugins and the agent do all day. */
export function changesOf({ kind, isRemoval, family, table, name, keys }: RulesetEvent): readonly ChangeEvent[] {
  if (table !== 'drawbridge' || (family !== 'inet' && family !== 'bridge'))
    return kind === 'element' ? [] : [{ resource: 'firewalls' }];
  switch (kind) {
    case 'table':
      // Whoever wrote it anew knows nothing of what the agent has open.
      return isRemoval ? everythingOf('tables', 'expiring') : everythingOf('expiring');
    case 'chain':
    case 'rule':
      return [{ resource: 'chains', of: chainKey(family, name) }];
    case 'element':
      return isRemoval ? lostElements(family, name, keys) : [];
    default:
      return isRemoval ? lostSet(name) : [];
  }
}

function lostElements(family: string, set: string, keys: readonly Uint8Array[]): readonly ChangeEvent[] {
  if (comesAndGoes.test(set)) return [];
  if (listsRanges.test(set)) return [{ resource: 'tables', of: layoutKey }];
  const group = groupOf(set);
  if (group !== undefined) return [{ resource: 'tables', of: groupKey(group) }];
  return keys.map((key) => ({ resource: 'tables', of: elementKey(family, set, key) }));
}

/** A set without a name of its own goes with the rule that it is part of. */
function lostSet(name: string): readonly ChangeEvent[] {
  if (name.startsWith('__')) return [];
  const group = groupOf(name);
  return [group === undefined ? { resource: 'tables' } : { resource: 'tables', of: groupKey(group) }];
}

function groupOf(set: string): string | undefined {
  return /^(?:policy|group)_([0-9a-z]+)/.exec(set)?.[1];
}

/**
 * Sets whose elements are renewed by deleting and adding them, or run out: see the lists in egress/layout.ts and
 * compile.ts.
 */
const comesAndGoes = /^(?:dnsforce[46]|requalify[46]|denied[46]|policy_[0-9a-z]+_names)/;
/** Sets that the layout itself fills. */
const listsRanges = /^(?:metadata|bogon|private)[46]$/;
