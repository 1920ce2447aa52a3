import { declaredSet } from '../../dataplane/catalogue.ts';
import { isGroupMark } from '../../dataplane/layout.ts';
import { readPolicyName } from '../../egress/policy-names.ts';
import { familyOfTable, tableOf, type TableName } from '../../nft/element.ts';
import type { RulesetEvent } from '../../host/netlink/nftables/event.ts';
import { everythingOf, type ChangeEvent } from '../../repair/change-event.ts';
import { chainKey, elementKey, groupKey, layoutKey } from '../../repair/resource-key.ts';

/** What a change of rules gives reason to look at; nothing for what plugins and the agent do all day. */
export function changesOf({ kind, isRemoval, family, table, name, keys }: RulesetEvent): readonly ChangeEvent[] {
  const ours = tableOf(family, table);
  if (ours === undefined) return kind === 'element' ? [] : [{ resource: 'firewalls' }];
  switch (kind) {
    case 'table':
      // Whoever wrote it anew knows nothing of what the agent has open.
      return isRemoval ? everythingOf('tables', 'expiring') : everythingOf('expiring');
    case 'chain':
    case 'rule':
      return [{ resource: 'chains', of: chainKey(family, name) }];
    case 'element':
      return isRemoval ? lostElements(ours, name, keys) : [];
    default:
      return isRemoval ? lostSet(name) : [];
  }
}

/** What loses elements all day, because they run out or are renewed by deleting and adding them, tells nothing. */
function lostElements(table: TableName, set: string, keys: readonly Uint8Array[]): readonly ChangeEvent[] {
  if (readPolicyName(set)?.names !== undefined) return [];
  const group = groupOf(set);
  if (group !== undefined) return [{ resource: 'tables', of: group }];
  switch (declaredSet(table, set)?.filledBy) {
    case 'expiring':
    case 'counter':
    case 'bucket':
      return [];
    case 'peers':
      return everythingOf('expiring');
    case 'host':
      return everythingOf('networks');
    case 'constant':
      return [{ resource: 'tables', of: layoutKey }];
    default:
      return keys.map((key) => ({ resource: 'tables', of: elementKey(familyOfTable(table), set, key) }));
  }
}

/** A set without a name of its own goes with the rule that it is part of. */
function lostSet(name: string): readonly ChangeEvent[] {
  if (name.startsWith('__')) return [];
  const group = groupOf(name);
  return [group === undefined ? { resource: 'tables' } : { resource: 'tables', of: group }];
}

function groupOf(set: string): string | undefined {
  if (isGroupMark(set)) return groupKey(set);
  const policy = readPolicyName(set);
  return policy === undefined ? undefined : groupKey(policy.id);
}
