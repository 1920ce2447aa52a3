import { chainKey, elementKey, groupKey, layoutKey } from './resource-key.ts';
import { everythingOf, type ChangeEvent } from './change-event.ts';

/**
 * What a line of `nft monitor` gives reason to look at; nothing for what plugins and the agent do all day.
 *
 *   delete table inet drawbridge
 *   delete element inet drawbridge egress4 { "drawbridge0" . 10.88.0.2 : goto policy_ab12 }
 *   insert rule ip filter FORWARD iifname "lo" counter packets 0 bytes 0 accept
 */
export function changesOf(line: string): readonly ChangeEvent[] {
  if (/\blost\b/.test(line)) return everythingOf('tables', 'expiring', 'chains', 'firewalls');
  const [verb = '', kind = '', family = '', table = '', name = ''] = line.split(' ', 5);
  if (!verbs.has(verb)) return [];
  if (table !== 'drawbridge' || (family !== 'inet' && family !== 'bridge'))
    return kind === 'element' ? [] : [{ resource: 'firewalls' }];
  const isRemoval = verb === 'delete' || verb === 'destroy';
  switch (kind) {
    case 'table':
      // Whoever wrote it anew knows nothing of what the agent has open.
      return isRemoval ? everythingOf('tables', 'expiring') : everythingOf('expiring');
    case 'chain':
    case 'rule':
      return [{ resource: 'chains', of: chainKey(family, name) }];
    case 'element':
      return isRemoval ? lostElement(family, name, line) : [];
    default:
      return isRemoval ? lostSet(name) : [];
  }
}

const verbs = new Set(['add', 'insert', 'replace', 'create', 'delete', 'destroy']);

function lostElement(family: string, set: string, line: string): readonly ChangeEvent[] {
  if (comesAndGoes.test(set)) return [];
  if (listsRanges.test(set)) return [{ resource: 'tables', of: layoutKey }];
  const group = groupOf(set);
  if (group !== undefined) return [{ resource: 'tables', of: groupKey(group) }];
  const [, key] = / \{ (.*?)(?: counter | timeout | expires | comment | : | \}$)/.exec(line) ?? [];
  return [key === undefined ? { resource: 'tables' } : { resource: 'tables', of: elementKey(family, set, key) }];
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

/** Sets whose elements are renewed by deleting and adding them, or run out: see the lists in egress/layout.ts and compile.ts. */
const comesAndGoes = /^(?:dnsforce[46]|requalify[46]|denied[46]|policy_[0-9a-z]+_names)/;
/** Sets that the layout itself fills. */
const listsRanges = /^(?:metadata|bogon|private)[46]$/;
