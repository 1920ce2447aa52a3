import { namesElement } from '../../dataplane/elements/egress.ts';
import type { NameRule } from '../../egress/policy.ts';
import type { Element } from '../../nft/element.ts';

export interface OpenedAddress {
  readonly name: string;
  readonly address: string;
  /** Absent: without end. */
  readonly seconds?: number;
}

/**
 * The element that lets the containers of a policy reach an address of a name.
 *
 * With refresh off, an address of a name that the policy lists stays open without end, as it does when ADD
 * resolves it. What came by a wildcard is learnt again whenever a container asks, and ends.
 */
export function openedElement(
  { policyId, refreshIntervalMinutes }: { policyId: string; refreshIntervalMinutes: number },
  rule: NameRule,
  { name, address, seconds }: OpenedAddress,
): Element {
  const isEndless = refreshIntervalMinutes === 0 && !rule.name.startsWith('*.');
  return namesElement(policyId, address, rule, isEndless ? undefined : seconds, name);
}
