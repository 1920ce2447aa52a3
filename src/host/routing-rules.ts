import { showJson } from './ip.ts';

/** A routing rule, as `ip -json rule show` prints it. */
export interface RoutingRule {
  readonly priority: number;
  readonly iif?: string;
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly action?: string;
  readonly table?: string;
}

/** The routing rules of a family in the order in which they are asked. Throws code 100 when `ip` cannot be run. */
export async function readRoutingRules(family: 4 | 6): Promise<RoutingRule[]> {
  return ((await showJson([`-${family}`, 'rule', 'show'])) ?? []) as RoutingRule[];
}
