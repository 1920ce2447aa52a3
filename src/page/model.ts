import type { FlowRecord } from '../flows/flow-record.ts';
import { familyOf } from '../ip/family.ts';

/*
 * What the commands print with --json (conf/schema), as far as the page reads it.
 */

export interface Attachment {
  readonly network: string;
  readonly containerId: string;
  readonly name: string | null;
  readonly namespace: string | null;
  readonly ifname: string;
  readonly ips: readonly string[];
  readonly ports: readonly {
    readonly hostIp?: string;
    readonly hostPort: number;
    readonly containerPort: number;
    readonly protocol: string;
  }[];
  readonly policy: string | null;
  readonly policyName: string | null;
  readonly mode: string | null;
  readonly denied: number;
  readonly alive: boolean;
  readonly stale: readonly string[];
}

export type Reach = 'open' | 'listed' | 'closed';
export type PlaceName = 'internet' | 'lan' | 'host' | 'siblings';

export interface Card {
  readonly name: string;
  readonly ifname: string;
  readonly ports: readonly string[];
  readonly mode: string;
  readonly policy: string;
  readonly reach: Readonly<Record<PlaceName, Reach>>;
  readonly denied: number;
  readonly isStale: boolean;
}

export interface Picture {
  readonly host: { readonly name: string; readonly addresses: readonly string[] };
  readonly networks: readonly {
    readonly name: string;
    readonly bridge: string;
    readonly containers: readonly Card[];
  }[];
}

export interface PolicyRow {
  readonly name: string;
  readonly mode: string | null;
  readonly containers: number;
  readonly pending: number;
  readonly problem: string | null;
}

export interface Explanation {
  readonly verdict: 'allow' | 'deny';
  readonly reason: string;
  readonly rule: string;
  readonly destination: string;
  readonly advice: string | null;
  /** What of it can be written into the policy. */
  readonly opening: { readonly key: string; readonly entry: string } | null;
  readonly policy: { readonly mode: string | null; readonly name: string | null };
  readonly problems: readonly string[];
  readonly addresses: readonly {
    readonly address: string;
    readonly verdict: string;
    readonly rule: string;
    readonly obstacles?: readonly { readonly what: string; readonly remedy: string; readonly isAdvice: boolean }[];
  }[];
  readonly place: { readonly file: string; readonly line: number; readonly column: number } | null;
}

export interface Diagnosis {
  readonly severity: 'problem' | 'warning' | 'notice';
  readonly found: string;
  readonly why: string;
  readonly remedy: string;
  readonly isCommand: boolean;
}

/** What a person calls a container: as the other commands show it and take it. */
export function titleOf({
  name,
  namespace,
  containerId,
}: Pick<Attachment, 'name' | 'namespace' | 'containerId'>): string {
  if (name === null) return containerId.slice(0, 12);
  return namespace === null ? name : `${namespace}/${name}`;
}

/** Where a record leads, in the words of the picture. */
export function placeOf({ direction, destination }: FlowRecord): PlaceName {
  if (direction === 'sibling') return 'siblings';
  if (direction === 'host') return 'host';
  return /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe[89ab])/i.test(destination)
    ? 'lan'
    : 'internet';
}

/** The destination of a record as a person reads it: by its name where one is known. */
export function destinationOf({ name, destination, port, protocol }: FlowRecord): string {
  const where =
    name ??
    (port !== undefined && protocol !== 'dns' && familyOf(destination) === 6 ? `[${destination}]` : destination);
  return port === undefined ? `${where} ${protocol}` : `${where}:${port}/${protocol}`;
}
