export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** A published port, after parsing. */
export interface PortMapping {
  readonly protocol: PortProtocol;
  /** Address of the host in canonical text; absent when every address of the host is meant (0.0.0.0, ::, ""). */
  readonly hostIp?: string;
  /** Families that the mapping is for: that of `hostIp`, "0.0.0.0" means 4, "::" means 6, nothing means both. */
  readonly families: readonly (4 | 6)[];
  readonly hostPort: number;
  readonly containerPort: number;
}

/**
 * Whether two mappings want one port of the host: as for two sockets, a mapping on every address and one on
 * a single address of the same family do.
 */
export function overlaps(one: PortMapping, other: PortMapping): boolean {
  if (one.protocol !== other.protocol || one.hostPort !== other.hostPort) return false;
  if (!one.families.some((family) => other.families.includes(family))) return false;
  return one.hostIp === undefined || other.hostIp === undefined || one.hostIp === other.hostIp;
}

/**
 * The mappings as far as a container has addresses for them, and those for which it has none at all: these lead
 * nowhere and take no port of the host.
 */
export function servedBy(
  mappings: readonly PortMapping[],
  has: readonly (4 | 6)[],
): { readonly served: PortMapping[]; readonly unserved: PortMapping[] } {
  const served: PortMapping[] = [];
  const unserved: PortMapping[] = [];
  for (const mapping of mappings) {
    const families = mapping.families.filter((family) => has.includes(family));
    if (families.length === 0) unserved.push(mapping);
    else served.push({ ...mapping, families });
  }
  return { served, unserved };
}

/** For messages: `port "8080/tcp" of "192.0.2.1"`. */
export function describeMapping({ protocol, hostPort, hostIp, families }: PortMapping): string {
  const where = hostIp ?? (families.length > 1 ? 'the host' : families[0] === 4 ? '0.0.0.0' : '::');
  return `port "${hostPort}/${protocol}" of "${where}"`;
}
