import { checksNames } from '../../egress/checked-names.ts';
import { findQueueForm } from '../../host/queue-rule.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import type { Trouble } from './check.ts';

/** What policies with `verifyNames` need, where there are such. */
export async function checkQueue({ attachments }: Survey): Promise<Trouble[]> {
  const isNeeded = attachments.some(({ record: { egress } }) => egress !== undefined && checksNames(egress.policy));
  if (!isNeeded || (await findQueueForm()) !== undefined) return [];
  return [
    {
      severity: 'problem',
      found: 'this host has neither the queue of nft nor NFQUEUE of iptables, and a policy checks names',
      why: 'connections that a name opens are refused',
      remedy: 'modprobe nft_queue || modprobe xt_NFQUEUE',
    },
  ];
}
