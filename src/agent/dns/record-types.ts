/** Numbers of the record types that the proxy knows (RFC 1035, 2782, 3596, 6891, 8659, 9460). */
export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  CAA: 257,
} as const;

/**
 * Types that are forwarded. The others have no use to a client that is not a resolver itself: of them there are no
 * records.
 */
export const forwardedTypes: ReadonlySet<number> = new Set(
  Object.values(recordTypes).filter((type) => type !== recordTypes.OPT),
);

/** IXFR and AXFR (RFC 1995, RFC 5936). */
export const transferTypes: ReadonlySet<number> = new Set([251, 252]);

/** Response codes (RFC 1035, 6891). */
export const rcodes = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5, badVers: 16 } as const;

/** Codes of Extended DNS Errors (RFC 8914): dig prints them with the text beside. */
export const extendedErrors = { other: 0, stale: 3, prohibited: 18, filtered: 17, noReachableAuthority: 22 } as const;

/** How a type is called in logs: "A", or "TYPE99" as RFC 3597 writes an unknown one. */
export function typeName(type: number): string {
  return Object.entries(recordTypes).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`;
}
