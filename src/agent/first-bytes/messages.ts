/** What the agent and its reader of first bytes tell each other, a line of JSON each. */
import type { CheckedPolicy } from './checked-policy.ts';

/** The word behind the executable's name that makes a reader of it. */
export const readerWord = 'read-first-bytes';

export type ToReader =
  | {
      readonly kind: 'policies';
      readonly policies: Readonly<Record<string, CheckedPolicy>>;
      /** Addresses of containers, each with a key of `policies`. */
      readonly sources: readonly (readonly [address: string, policy: string])[];
    }
  | { readonly kind: 'list'; readonly id: number };

export type FromReader =
  /** Packets of the queue are read from now on. */
  | { readonly kind: 'ready' }
  /** Somebody unknown sends: a container may be newer than what the reader was told. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly refusals: readonly NameRefusal[] }
  | { readonly kind: 'listed'; readonly id: number; readonly settled: readonly CheckedConnection[] };

/** Connections of a container to a destination that were refused for what they asked for. */
export interface NameRefusal {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** The name that was asked for; absent where the first bytes showed none. */
  readonly name?: string;
  /** A clause for "Denied because …". */
  readonly why: string;
  readonly count: number;
}

/** A connection and the name that it asked for. */
export interface CheckedConnection {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly name: string;
}
