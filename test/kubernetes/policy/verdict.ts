/** What a compiled profile says of a connection: read from the values, as the rules that are made of it do. */
import { intervalOf } from '../../../src/egress/interval.ts';
import { ipVersion } from '../../../src/ip/version.ts';
import type { NodePolicies } from '../../../src/kubernetes/policy/node-policies.ts';
import type { Protocol } from '../../../src/kubernetes/policy/objects.ts';
import type { Direction } from '../../../src/kubernetes/policy/profile.ts';

export interface Connection {
  readonly client: string;
  readonly server: string;
  readonly protocol?: Protocol;
  readonly port?: number;
}

/** "unknown" is a pod of the node that nothing is known of. */
export function verdict(
  policies: NodePolicies,
  direction: Direction,
  { client, server, protocol = 'tcp', port = 80 }: Connection,
): 'allow' | 'deny' | 'unknown' {
  const [own, peer] = direction === 'into' ? [server, client] : [client, server];
  const pod = policies.pods.find(({ addresses }) => addresses.includes(own));
  if (pod === undefined) return 'unknown';
  const profile = policies.profiles.find(({ id }) => id === pod[direction]);
  if (profile === undefined) return pod[direction] === undefined ? 'allow' : 'deny';
  const isNamed = (profile.named ?? []).some(
    (one) => one.address === server && one.protocol === protocol && one.port === port,
  );
  const isAllowed = profile.rules.some(({ ports, isForEverybody, blocks, addresses }) => {
    const isPort = ports?.some((one) => one.protocol === protocol && one.from <= port && port <= one.to) ?? true;
    return isPort && (isForEverybody || addresses.includes(peer) || blocks.some((block) => isIn(peer, block)));
  });
  return isNamed || isAllowed ? 'allow' : 'deny';
}

function isIn(address: string, block: string): boolean {
  const [from = '', to = from] = block.split('-');
  const [first, last, one] = [intervalOf(from), intervalOf(to), intervalOf(address)];
  return ipVersion(address) === (from.includes(':') ? 6 : 4) && first.from <= one.from && one.to <= last.to;
}
