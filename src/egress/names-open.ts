import { isFresh, learn, openAddresses, type KnownName, type OpenAddress } from './names-lifetimes.ts';
import type { Resolution, resolveNames } from './names-resolve.ts';
import { aboutOnLink, onLinkNetworkOf, type OnLinkNetwork } from './on-link.ts';
import { namesFolder, recallName, rememberName } from './names-store.ts';
import type { Policy } from './policy.ts';
import { uptime } from '../host/uptime.ts';
import { systemReason } from '../text/system-error.ts';

/** A name of a policy, and what it opens now. */
export interface OpenName {
  readonly name: string;
  readonly addresses: readonly OpenAddress[];
  /** TTLs of the last answer in seconds: the shortest of all names says when to refresh. */
  readonly ttls: readonly number[];
  /** Sentences for stderr and `list`; empty when all is well. */
  readonly problems: readonly string[];
}

export interface OpenNamesOptions {
  readonly folder?: string;
  /** Milliseconds for all names together. */
  readonly deadline?: number;
  /** Milliseconds since boot. */
  readonly now?: number;
  /** Ask the resolver also about names whose last answer has not run out. */
  readonly force?: boolean;
  /** Networks that the host is on (on-link.ts): no name opens an address there. */
  readonly onLink?: readonly OnLinkNetwork[];
}

/**
 * Resolves the names of a policy, remembers the answers, and returns what is to be opened. Wildcards are
 * left out: what they open is learnt from the container's own queries.
 *
 * Never throws. A name that does not resolve opens nothing and harms no other; while the resolver fails,
 * the last good addresses serve.
 */
export async function openNames(
  policy: Pick<Policy, 'names' | 'dns' | 'refreshIntervalMinutes'>,
  { folder = namesFolder, deadline, now = uptime(), force = false, onLink = [] }: OpenNamesOptions = {},
): Promise<OpenName[]> {
  const servers = policy.dns.upstream;
  const names = [...new Set(policy.names.map(({ name }) => name))].filter((name) => !name.startsWith('*.'));
  const recalled = new Map(
    await Promise.all(names.map(async (name) => [name, await recallName(name, servers, folder)] as const)),
  );
  const asked = names.filter((name) => {
    const known = recalled.get(name);
    return force || known === undefined || !isFresh(known, now, policy.refreshIntervalMinutes);
  });
  const resolved = await resolve(asked, { servers, ...(deadline === undefined ? {} : { deadline }) });
  const resolutions = new Map(resolved.map((resolution) => [resolution.name, resolution]));
  return Promise.all(names.map(async (name) => openName(name, recalled.get(name), resolutions.get(name))));

  async function openName(
    name: string,
    before: KnownName | undefined,
    resolution: Resolution | undefined,
  ): Promise<OpenName> {
    const { known, dropped } =
      resolution === undefined && before !== undefined
        ? { known: before, dropped: [] }
        : learn(before, name, resolution?.answers ?? [], now);
    const failing = (resolution?.failures ?? []).map(({ family }) => family);
    const problems = dropped.map((address) => `"${name}" resolves to ${address}, which no name opens`);
    if (known.resolvedAt === now)
      problems.push(...(await remembering(failing.length === 0 ? known : { ...known, isPartial: true })));
    const isGone = resolution !== undefined && resolution.answers.length === 0 && failing.length === 0;
    const { refreshIntervalMinutes } = policy;
    const all = openAddresses(known, { now, refreshIntervalMinutes, failing, isGone });
    const addresses = all.filter(({ address }) => onLinkNetworkOf(address, onLink) === undefined);
    problems.push(...all.flatMap(({ address }) => onLinkProblem(name, address, onLink)));
    return {
      name,
      addresses,
      ttls: known.addresses.filter(({ seenAt }) => seenAt === known.resolvedAt).map(({ ttl }) => ttl),
      problems: [...problems, ...failureOf(name, resolution, addresses.length)],
    };
  }

  /** What cannot be remembered still opens. */
  async function remembering(known: KnownName): Promise<string[]> {
    try {
      await rememberName(known, servers, folder);
      return [];
    } catch (error) {
      return [`Cannot remember the addresses of "${known.name}": ${systemReason(error)}`];
    }
  }
}

/** Most policies have no name to ask for, and a resolver takes its time to load. */
async function resolve(...asked: Parameters<typeof resolveNames>): Promise<Resolution[]> {
  if (asked[0].length === 0) return [];
  return (await import('./names-resolve.ts')).resolveNames(...asked);
}

function onLinkProblem(name: string, address: string, onLink: readonly OnLinkNetwork[]): string[] {
  const network = onLinkNetworkOf(address, onLink);
  return network === undefined
    ? []
    : [`"${name}" resolves to ${address} in ${network.prefix}, ${aboutOnLink}: no name opens it, "allowPrivate" does`];
}

function failureOf(name: string, resolution: Resolution | undefined, open: number): string[] {
  if (resolution === undefined || resolution.answers.length > 0) return [];
  const [failure] = resolution.failures;
  const why = failure === undefined ? 'it has no addresses' : failure.why;
  return [
    `Cannot resolve "${name}": ${why}; ${open === 0 ? 'it opens nothing' : `${open} earlier ${open === 1 ? 'address stays' : 'addresses stay'} open`}`,
  ];
}
