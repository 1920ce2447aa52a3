/** What one container may have waiting: more is refused, its oldest connection first. */
export const bounds = {
  /** Connections that have not shown a name yet; those that idle in a client's pool too. */
  connections: 4096,
  /** Packets in the kernel's queue, which all containers share. */
  packets: 512,
  /** Bytes that are kept here. */
  bytes: 2 * 1024 * 1024,
  /** Packets of one connection. */
  packetsOfOne: 64,
  /** Packets of all containers together. */
  packetsOfAll: 6144,
  /** Milliseconds that first bytes may take to say a name. */
  patience: 10_000,
} as const;
