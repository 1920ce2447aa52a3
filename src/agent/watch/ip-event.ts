import type { ChangeEvent } from './change-event.ts';

/** Words for what of the links may be lost, besides the names of interfaces. */
export const gatesKey = ':gates';
export const forwardingKey = ':forwarding';

/**
 * What a line of `ip monitor link address rule netconf` gives reason to look at.
 *
 *   4: veth1@if2: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue master drawbridge0 state UP
 *   Deleted 2: drawbridge0    inet 10.88.0.1/16 scope global drawbridge0
 *   Deleted 90:	from all iif drawbridge0 fwmark 0/0x10000 prohibit
 *   inet all forwarding off
 */
export function linkChangeOf(line: string): ChangeEvent | undefined {
  if (/\blost\b/.test(line)) return { resource: 'links' };
  if (/^(?:Deleted )?\d+:\s+from\b/.test(line)) return { resource: 'links', of: gatesKey };
  const name = /^(?:Deleted )?(?:\d+:|inet6?) ([^\s:@]+)/.exec(line)?.[1];
  if (name === undefined) return undefined;
  return { resource: 'links', of: name === 'all' || name === 'default' ? forwardingKey : name };
}

/**
 * The same for `tc monitor`.
 *
 *   deleted filter dev drawbridge0 ingress protocol all pref 90 bpf chain 0 handle 0x1 direct-action …
 */
export function filterChangeOf(line: string): ChangeEvent | undefined {
  return /^deleted (?:filter|qdisc clsact)\b|\blost\b/i.test(line) ? { resource: 'links', of: gatesKey } : undefined;
}
