/** Something of the host that can be lost, and that the agent looks after. */
export type Concern = 'tables' | 'timed' | 'chains' | 'links' | 'firewalls';

/**
 * What a line of `nft monitor` gives reason to look at; nothing for what plugins and the agent do all day.
 *
 *   add table inet drawbridge
 *   delete element inet drawbridge egress4 { "drawbridge0" . 10.88.0.2 }
 *   insert rule ip filter FORWARD iifname "lo" counter packets 0 bytes 0 accept
 *   # new generation 7 by process 1164 (iptables)
 */
export function concernsOf(line: string): readonly Concern[] {
  if (/\blost\b/.test(line)) return ['tables', 'timed', 'chains', 'firewalls'];
  const [verb = '', kind = '', family = '', table = '', set = ''] = line.split(' ', 5);
  if (!verbs.has(verb)) return [];
  if (table !== 'drawbridge' || (family !== 'inet' && family !== 'bridge'))
    return kind === 'element' ? [] : ['firewalls'];
  const isRemoval = verb === 'delete' || verb === 'destroy';
  switch (kind) {
    case 'table':
      // Whoever wrote it anew knows nothing of what the agent has open.
      return isRemoval ? ['tables', 'timed'] : ['timed'];
    case 'chain':
    case 'rule':
      return ['chains'];
    case 'element':
      return isRemoval && !comesAndGoes.test(set) ? ['tables'] : [];
    default:
      return isRemoval ? ['tables'] : [];
  }
}

const verbs = new Set(['add', 'insert', 'replace', 'create', 'delete', 'destroy']);

/** Sets whose elements are renewed by deleting and adding them, or run out. */
const comesAndGoes = /^(?:dnsforce[46]|requalify[46]|denied[46]|policy_\w+_names)/;
