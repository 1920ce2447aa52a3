import type { Json } from '../../helpers/host.ts';
import { hostLocal } from './network.ts';

/** A conf of routed containers, both families; the keys of `changes` replace or take away. */
export function routedConf(changes: Json = {}): Json {
  return {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'drawbridge',
    routed: true,
    isDefaultGateway: true,
    ipMasq: true,
    ipam: hostLocal('10.1.0.0/24', 'fd01::/64'),
    capabilities: { portMappings: true },
    ...changes,
  };
}
