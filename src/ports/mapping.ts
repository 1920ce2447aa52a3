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
