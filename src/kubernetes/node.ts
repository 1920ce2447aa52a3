import { formatAddress, formatPrefix, readAnyAddress, readPrefix } from '../ip/address.ts';

/** A Node of the API. */
export interface ClusterNode {
  readonly name: string;
  /** Of its pods, at most one of each family. */
  readonly ranges: readonly string[];
  /** Its own on the network of nodes (type InternalIP), at most one of each family. */
  readonly addresses: readonly string[];
}

/** Throws a TypeError for what is no Node. */
export function readNode(json: unknown): ClusterNode {
  const { metadata, spec, status } = json as Partial<ApiNode>;
  if (typeof metadata?.name !== 'string') throw new TypeError('"metadata.name" is missing');
  const ranges = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return {
    name: metadata.name,
    ranges: ranges.map((range) => {
      const prefix = readPrefix(range);
      if (prefix === undefined || prefix.hostBits) throw new TypeError(`"podCIDRs" has "${range}"`);
      return formatPrefix(prefix);
    }),
    addresses: addresses.flatMap(({ address }) => {
      const read = readAnyAddress(address);
      return read === undefined ? [] : [formatAddress(read)];
    }),
  };
}

interface ApiNode {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
  readonly status: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}
