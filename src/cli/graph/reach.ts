import { judge } from '../../egress/judge.ts';
import type { Policy } from '../../egress/policy.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { Card, Reach } from './picture.ts';

/** Destinations that stand for a place: what all of them say, the place says. */
const samples = {
  internet: ['9.9.9.9', '151.101.1.1', '198.41.0.4'],
  lan: ['10.254.253.252', '172.31.253.252', '192.168.253.252'],
} as const;

const reaches = new WeakMap<Policy, Card['reach']>();

/**
 * Where a container gets, by its policy alone: to all of a place, to what is listed of it, or nowhere in it. Containers
 * under one policy get to the same places, so each policy is judged once, whatever else the host has.
 */
export function reachOf({ egress }: AttachmentRecord): Card['reach'] {
  if (egress === undefined) return { internet: 'open', lan: 'open', host: 'open', siblings: 'open' };
  const reach = reaches.get(egress.policy) ?? reachBy(egress.policy);
  reaches.set(egress.policy, reach);
  return reach;
}

function reachBy(policy: Policy): Card['reach'] {
  const stateOf = (addresses: readonly string[], isListed: boolean): Reach => {
    const open = addresses.filter((address) =>
      [
        { protocol: 'tcp', port: 443 },
        { protocol: 'udp', port: 3478 },
      ].every((service) => judge(policy, { address, ...service }).verdict === 'allow'),
    );
    if (open.length === addresses.length) return 'open';
    return open.length > 0 || isListed ? 'listed' : 'closed';
  };
  const host = policy.audit ? 'all' : policy.hostAccess;
  return {
    internet: stateOf(samples.internet, policy.mode === 'allowlist' && policy.allow.length + policy.names.length > 0),
    lan: stateOf(samples.lan, policy.allowPrivate.length > 0),
    host: host === 'all' ? 'open' : host === 'ports' && policy.hostPorts.length > 0 ? 'listed' : 'closed',
    siblings: policy.isolation === 'container' && !policy.audit ? 'closed' : 'open',
  };
}
