/**
 * A policy after parsing: every key present, every list checked and in canonical text.
 * Lists keep the order and the words of the file, so that a verdict can name the entry that decided.
 */
export interface Policy {
  readonly mode: 'open' | 'restricted' | 'allowlist';
  /** Presets named by the conf; their contents stand in `allow` and `names` with `source` telling the preset. */
  readonly preset: readonly string[];
  /** Addresses and prefixes of `allow` and of the presets; only in mode allowlist. */
  readonly allow: readonly AddressRule[];
  /** Names of `allow` and of the presets. */
  readonly names: readonly NameRule[];
  /** Words of the entries of `allow` that the mode makes meaningless: `allow` and `names` are empty then. */
  readonly ignored?: readonly string[];
  readonly allowPrivate: readonly AddressRule[];
  readonly deny: readonly AddressRule[];
  /** Names of `deny`; absent where there are none. */
  readonly denyNames?: readonly NameRule[];
  /** Words of the entries of `allow` whose names `deny` closes: they are not in `names`. */
  readonly overruled?: readonly string[];
  /** A connection that a name alone opens has to ask for an allowed name in its first bytes. */
  readonly verifyNames: boolean;
  readonly allowLocalNetworks: boolean;
  readonly hostAccess: 'ports' | 'all' | 'none';
  readonly hostPorts: readonly PortRule[];
  /** Port 53 of the host is written out: DNS is wanted, and not just the default. */
  readonly hostDns?: true;
  readonly isolation: 'container' | 'bridge' | 'none';
  readonly ingress: 'published' | 'open';
  readonly ipv6: 'filter' | 'disable';
  /** Minutes; 0 turns the refresh of names off. */
  readonly refreshIntervalMinutes: number;
  readonly dns: DnsPolicy;
  readonly onDeny: 'reject' | 'drop';
  readonly audit: boolean;
  /** Whether no network of ours without a policy may stand beside it on the same container; absent is false. */
  readonly exclusive?: boolean;
  /** Connections that the container may have at once; absent: by what the host tracks (connections.ts). */
  readonly maxConnections?: number;
  /** How much may pass between the container and others, both ways, until it is renewed; absent: any. */
  readonly quota?: Quota;
  /** How far "drawbridge allow" may go; absent: `usualBounds` of grants.ts. */
  readonly maxGrants?: GrantBounds;
  /** What this container may reach besides, for a time: their rules stand in `allow` and `names` too. */
  readonly grants?: readonly Grant[];
  /** Which flows are recorded; absent: what is denied, or would be under `audit`. */
  readonly record?: 'all' | 'none';
}

/** A destination that one container may reach until a moment, on top of its policy. */
export interface Grant {
  /** Of container and destination: a destination that is granted again keeps it. */
  readonly id: string;
  readonly rule: AddressRule | NameRule;
  /** Milliseconds since boot. */
  readonly endsAt: number;
}

export interface GrantBounds {
  /** What may be granted at all; absent: what `allow` may hold. */
  readonly within?: { readonly addresses: readonly AddressRule[]; readonly names: readonly NameRule[] };
  /** The longest time of a grant. */
  readonly milliseconds: number;
  /** Grants of one container at once. */
  readonly count: number;
}

/** Bytes for each period of the host's clock. */
export interface Quota {
  readonly bytes: number;
  readonly per: QuotaPeriod;
}

export type QuotaPeriod = 'hour' | 'day' | 'week' | 'month';

/** How the agent answers DNS. */
export interface DnsPolicy {
  /** Addresses with an optional port; empty for those of the host. */
  readonly upstream: readonly string[];
  readonly denied: 'refused' | 'nxdomain';
  /** Queries that may leave the host in a minute under one wildcard; absent in records of before 0.2.0. */
  readonly maxQueriesPerMinute?: number;
}

/** Where traffic may or may not go, by address. */
export interface AddressRule extends PortRule {
  readonly family: 4 | 6;
  /** Canonical prefix text without host bits: "203.0.113.0/24", "2001:db8::1/128". */
  readonly prefix: string;
  /** Id of the grant that it belongs to. */
  readonly grant?: string;
  /** The entry as it was written, with the key it stands under: `allow "203.0.113.0/24:5432/tcp"`. */
  readonly source: string;
}

/** Where traffic may go, by name. */
export interface NameRule extends PortRule {
  /** Lower case, without a trailing dot; a wildcard is "*.example.org" (one or more labels, not the apex). */
  readonly name: string;
  /** With `verifyNames` too, its connections are not looked into. */
  readonly unchecked?: true;
  /** Id of the grant that it belongs to. */
  readonly grant?: string;
  readonly source: string;
}

export interface PortRule {
  /** "any": every IP protocol when `ports` is absent, else tcp, udp and sctp. */
  readonly protocol: 'any' | 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** Inclusive; absent means every port. */
  readonly ports?: { readonly from: number; readonly to: number };
}
