import { interfacePart, type Element } from '../../nft/element.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/** What an attachment has in those sets: what every container on its bridge with the same policy has. */
export function ingressPolicyElements({ ingressPolicy }: AttachmentRecord): Element[] {
  if (ingressPolicy === undefined || ingressPolicy.policy === 'open') return [];
  const { ingressInterface, policy } = ingressPolicy;
  const table = 'inet drawbridge';
  const bridge = interfacePart(ingressInterface);
  const pair = [bridge, bridge];
  const shared = `ingressPolicy-${ingressInterface}`;
  return [
    { table, set: 'ingress_bridges', key: [bridge], shared },
    { table, set: 'ingress_within', key: pair, shared },
    ...(policy === 'isolated'
      ? [{ table, set: 'ingress_isolated', key: pair, shared: `isolated-${ingressInterface}` } as const]
      : []),
  ];
}
