import { nameCovers } from '../../egress/name.ts';
import type { NameRule } from '../../egress/policy.ts';

/** What the proxy has to know of the policy of whoever asks. */
export interface NamesPolicy {
  readonly policyId: string;
  /**
   * Names that are answered, and whose addresses are opened. "any" answers every name and opens nothing: for
   * modes in which names open nothing, and whose chains have no sets for their addresses.
   */
  readonly names: readonly NameRule[] | 'any';
  /** Names that are answered to nobody; absent where there are none. */
  readonly denyNames?: readonly NameRule[];
  readonly denied: 'refused' | 'nxdomain';
  /** Addresses with an optional port, asked in this order. */
  readonly upstream: readonly string[];
  /** Minutes; decides how long an address stays open: egress/names-lifetimes.ts. */
  readonly refreshIntervalMinutes: number;
  /** Queries a minute that may leave the host under one wildcard, for each container. */
  readonly maxQueriesPerMinute: number;
  /** Whether that counts for all names where every name is answered. */
  readonly isBounded?: boolean;
  /** Search domains of the container, as far as they are known. */
  readonly search?: readonly string[];
  /**
   * True for a private address that the policy opens by a literal of its own, which may then be answered.
   * Without it every private address is stripped.
   */
  readonly isOpenByAddress?: (address: string) => boolean;
  /** First bytes of connections have to ask for an allowed name: what would hide it in them is not answered. */
  readonly checksNames?: boolean;
  /** Deny nothing and strip nothing: report what would be. */
  readonly audit?: boolean;
}

/** The rules of a policy that cover a name in canonical form. */
export function rulesFor(names: readonly NameRule[], name: string): readonly NameRule[] {
  const { exact, wildcards } = indexOf(names);
  return [...(exact.get(name) ?? []), ...wildcards.filter((rule) => nameCovers(rule.name, name))];
}

/**
 * True for a name that a resolver made by appending a search domain to a name of the policy, or to one
 * without dots: it goes on to the next domain, or to the name itself, only after NXDOMAIN. REFUSED ends
 * the search of glibc and musl (cilium PR#6366).
 *
 * The container's search domains need not be known: "api.example.org.default.svc.cluster.local" starts with a
 * name of the policy.
 */
export function isSearchProduct({ names, search = [] }: NamesPolicy, name: string): boolean {
  if (search.some((domain) => name.endsWith(`.${domain.toLowerCase().replace(/\.$/, '')}`))) return true;
  if (names === 'any') return false;
  const labels = name.split('.');
  return labels.slice(1).some((_, index) => rulesFor(names, labels.slice(0, index + 1).join('.')).length > 0);
}

interface Index {
  readonly exact: ReadonlyMap<string, readonly NameRule[]>;
  readonly wildcards: readonly NameRule[];
}

const indexes = new WeakMap<readonly NameRule[], Index>();

/** A preset has hundreds of names, and every query asks. */
function indexOf(names: readonly NameRule[]): Index {
  const known = indexes.get(names);
  if (known !== undefined) return known;
  const index = {
    exact: Map.groupBy(
      names.filter(({ name }) => !name.startsWith('*.')),
      ({ name }) => name,
    ),
    wildcards: names.filter(({ name }) => name.startsWith('*.')),
  };
  indexes.set(names, index);
  return index;
}
