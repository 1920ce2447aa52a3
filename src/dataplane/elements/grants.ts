import { grantSet } from '../../egress/policy-names.ts';
import { familyOf } from '../../ip/family.ts';
import type { Element } from '../../nft/element.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { requalifyElements } from './requalify.ts';

/** Seconds that the kernel may remember an idle connection of TCP (nf_conntrack_tcp_timeout_established). */
const longestIdle = 432_000;

/**
 * What has the grants of an attachment hold, and no longer than they do: one element for each that runs out with it.
 * While it holds, and for as long after it as the kernel may remember a connection, the container's established
 * connections are judged packet by packet: so those that a grant opened end with it, agent or no agent.
 */
export function grantElements(record: AttachmentRecord, now: number): Element[] {
  const { egress } = record;
  if (egress?.policy.grants === undefined) return [];
  const { addresses, policyId, policy } = egress;
  const left = (policy.grants ?? []).flatMap(({ id, endsAt }) => {
    const seconds = Math.ceil((endsAt - now) / 1000);
    return seconds > 0 ? [{ id, seconds }] : [];
  });
  const last = Math.max(0, ...left.map(({ seconds }) => seconds));
  return [
    ...left.flatMap(({ id, seconds }) =>
      addresses.map((address): Element => ({
        table: 'inet drawbridge',
        set: grantSet(policyId, familyOf(address), id),
        key: [address],
        timeout: seconds,
      })),
    ),
    ...requalifyElements(record, last + longestIdle),
  ];
}
