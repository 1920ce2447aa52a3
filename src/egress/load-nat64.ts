import type { CniError } from '../cni/errors.ts';
import { marksInForce, readOwn } from './load-marks.ts';
import { parseNat64, type Nat64Prefix } from './nat64-prefixes.ts';

/** Where an operator lists the prefixes of NAT64 that the host's network has. */
export const nat64File = '/etc/drawbridge/nat64';

/** Those that what stands in the kernel was made with; not there for none. */
export const nat64InForce = '/run/drawbridge/nat64';

/** What a process goes by; `problem` where the operator's file cannot be used. */
export interface LoadedNat64 {
  readonly prefixes: readonly Nat64Prefix[];
  readonly problem?: CniError;
}

/** Reads which prefixes are known besides the well-known one. Never throws. */
export function loadNat64(): LoadedNat64 {
  try {
    const inForce = readOwn(nat64InForce);
    if (inForce !== undefined) return { prefixes: parseNat64(inForce, nat64InForce) };
    // Tables that stand without it know none.
    return { prefixes: readOwn(marksInForce) === undefined ? (readNat64() ?? []) : [] };
  } catch (error) {
    return { prefixes: [], problem: error as CniError };
  }
}

/** What the operator's file lists; undefined without one. Throws code 7 for what it says, 5 where it cannot be read. */
export function readNat64(): readonly Nat64Prefix[] | undefined {
  const text = readOwn(nat64File);
  return text === undefined ? undefined : parseNat64(text, nat64File);
}
