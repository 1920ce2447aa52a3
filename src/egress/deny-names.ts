/**
 * Names under `deny`. The agent's DNS refuses such a name, and with `verifyNames` a connection whose first bytes ask
 * for it is refused, whatever opened the address. Which addresses a denied name has does not matter.
 */
import { nameCovers } from './name.ts';
import type { NameRule, Policy, PortRule } from './policy.ts';

/** The entry of `deny` that a name falls under, whatever its ports: DNS knows none. Both in canonical form. */
export function denyingRule({ denyNames = [] }: Pick<Policy, 'denyNames'>, name: string): NameRule | undefined {
  return denyNames.find((rule) => nameCovers(rule.name, name));
}

/** Whether DNS of a container is answered by the agent or by nobody: another server would answer what is denied. */
export function locksDns({ denyNames = [], audit }: Pick<Policy, 'denyNames' | 'audit'>): boolean {
  return denyNames.length > 0 && !audit;
}

/** Entries of `deny` whose names are looked for in the first bytes of connections; none under an audit. */
export function lookedFor({ denyNames = [], verifyNames, audit }: Policy): readonly NameRule[] {
  return verifyNames && !audit ? denyNames : [];
}

/** Whether protocol and port of an entry take in a connection of TCP to `port`. */
export function takesTcp({ protocol, ports }: PortRule, port: number): boolean {
  if (protocol !== 'any' && protocol !== 'tcp') return false;
  return ports === undefined || (ports.from <= port && port <= ports.to);
}
