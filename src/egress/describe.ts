import { checksOpening } from './checked-names.ts';
import { lookedFor } from './deny-names.ts';
import { intervalOf, overlaps } from './interval.ts';
import { aboutOnLink, isPublicPrefix, type OnLinkNetwork } from './on-link.ts';
import type { AddressRule, NameRule, Policy, PortRule } from './policy.ts';
import { bogonRanges, metadataRanges, privateRanges } from './ranges-reserved.ts';

/**
 * What a policy has in it that does not do what its author may think, one sentence each. None of it is
 * wrong enough to refuse: nothing opens that was not asked for. `onLink` are the networks that the host is on
 * (on-link.ts); absent where nothing is known of the host.
 */
export function policyNotices(policy: Policy, onLink?: readonly OnLinkNetwork[]): string[] {
  return [
    ...listWithoutEffect(policy),
    ...closedEntries(policy, onLink),
    ...(onLink === undefined ? [] : publicPrivates(policy, onLink)),
    ...resolverEntries(policy),
    ...wildcards(policy),
    ...namesUnchecked(policy),
    ...closedNames(policy),
    ...hostNames(policy),
    ...hostPortsWithoutEffect(policy),
    ...auditing(policy),
  ];
}

/** The policy in a few lines, for `policy show` and `explain`. */
export function describePolicy(policy: Policy): string[] {
  const { mode, preset, allow, names, allowPrivate, deny, denyNames = [] } = policy;
  return [
    `mode ${mode}${policy.audit ? ', audit: nothing is denied' : ''}: ${modeWords[mode]}`,
    ...(preset.length === 0 ? [] : [`presets: ${preset.join(', ')}`]),
    ...list('opens', mode === 'allowlist' ? [...allow, ...names] : []),
    ...(checksOpening(policy) ? ['a connection to a name has to ask for it in its first bytes'] : []),
    ...list('opens of private networks', allowPrivate),
    ...(policy.allowLocalNetworks && mode !== 'open' ? ['private networks are open'] : []),
    ...list('closes before all else', [...deny, ...denyNames]),
    ...(lookedFor(policy).length > 0 ? ['a connection that asks for a closed name in its first bytes is refused'] : []),
    `of the host: ${hostWords(policy)}`,
    `from siblings: ${siblingWords[policy.isolation]}; from elsewhere: ${policy.ingress === 'open' ? 'everything' : 'published ports'}`,
    ...(policy.maxConnections === undefined ? [] : [`at most ${policy.maxConnections} connections at once`]),
    ...(policy.exclusive === true ? ['no network without a policy may stand beside it'] : []),
    `denied packets are ${policy.onDeny === 'drop' ? 'dropped' : 'rejected at once'}${policy.ipv6 === 'disable' ? '; IPv6 is off' : ''}`,
  ];
}

/** Ports as they stand in an entry: "443/tcp", "8000-8100", "icmp"; "everything" without any. */
function describePorts({ protocol, ports }: PortRule): string {
  if (ports === undefined) return protocol === 'any' ? 'everything' : protocol;
  const run = ports.from === ports.to ? `${ports.from}` : `${ports.from}-${ports.to}`;
  return protocol === 'any' ? run : `${run}/${protocol}`;
}

const modeWords: Readonly<Record<Policy['mode'], string>> = {
  open: 'everything beyond the host',
  restricted: 'the public internet, without private networks, link-local, metadata and bogons',
  allowlist: 'only what is listed',
};

const siblingWords: Readonly<Record<Policy['isolation'], string>> = {
  container: 'nothing',
  bridge: 'everything on the same bridge',
  none: 'everything',
};

function hostWords({ hostAccess, hostPorts }: Policy): string {
  if (hostAccess !== 'ports') return hostAccess === 'all' ? 'everything' : 'nothing';
  return hostPorts.length === 0
    ? 'echo at the gateway'
    : `${hostPorts.map(describePorts).join(', ')} and echo at the gateway`;
}

/** Groups a list by its sources: a preset of twenty names is one line. */
function list(title: string, rules: readonly (AddressRule | NameRule)[]): string[] {
  const sources = [...new Set(rules.map(({ source }) => source))];
  return sources.length === 0 ? [] : [`${title}: ${sources.join(', ')}`];
}

function listWithoutEffect({ mode, ignored = [] }: Policy): string[] {
  if (ignored.length === 0) return [];
  const remedy = 'for the listed ones only use mode "allowlist"';
  return [`${ignored.join(', ')} has no effect in mode "${mode}", which opens every public destination; ${remedy}`];
}

/** Entries of `allow` that the ranges of the system close. */
function closedEntries({ mode, allow, allowLocalNetworks }: Policy, onLink: readonly OnLinkNetwork[] = []): string[] {
  if (mode !== 'allowlist') return [];
  const networks = onLink.map(({ prefix }) => ({ prefix, about: aboutOnLink }));
  const local = allowLocalNetworks ? [] : [...privateRanges(), ...networks];
  const closed = [...metadataRanges, ...bogonRanges(), ...local].map((range) => ({
    ...range,
    interval: intervalOf(range.prefix),
  }));
  return allow
    .filter(({ prefix }) => !prefix.endsWith('/0'))
    .flatMap((rule) => {
      const range = closed.find(({ interval }) => overlaps(interval, intervalOf(rule.prefix)));
      return range === undefined
        ? []
        : [`${rule.source} does not open ${range.prefix}, ${range.about}: only "allowPrivate" does`];
    });
}

/** Public addresses under `allowPrivate` on a host that is not on their network. */
function publicPrivates({ mode, allowPrivate }: Policy, onLink: readonly OnLinkNetwork[]): string[] {
  const networks = onLink.map(({ prefix }) => intervalOf(prefix));
  return allowPrivate
    .filter(({ prefix }) => isPublicPrefix(prefix) && !networks.some((one) => overlaps(one, intervalOf(prefix))))
    .map(
      ({ source }) =>
        `${source} opens nothing on this host: it is public, and on no network of the host${mode === 'allowlist' ? '; public destinations belong under "allow"' : ''}`,
    );
}

/** Entries that are there because other systems need them for names to resolve. */
function resolverEntries({ mode, allow }: Policy): string[] {
  const resolvers = new Set([
    '1.0.0.1/32',
    '1.1.1.1/32',
    '8.8.4.4/32',
    '8.8.8.8/32',
    '9.9.9.9/32',
    '2001:4860:4860::8888/128',
    '2001:4860:4860::8844/128',
    '2606:4700:4700::1111/128',
  ]);
  const opened = mode === 'allowlist' ? allow.filter(({ prefix }) => resolvers.has(prefix)) : [];
  return opened.map(
    ({ source }) =>
      `${source} opens a public resolver: names resolve without it at the gateway, and through it a container can send any data out`,
  );
}

function wildcards({ mode, names }: Policy): string[] {
  const found = mode === 'allowlist' ? names.filter(({ name }) => name.startsWith('*.')) : [];
  return found.map(
    ({ source }) =>
      `${source} opens what the names below it resolve to when the container asks for them: that needs the agent, nothing is open before`,
  );
}

/** What `verifyNames` does not do, or does beside what one may think of. */
function namesUnchecked(policy: Policy): string[] {
  const { verifyNames, audit, names, mode } = policy;
  if (!verifyNames) return [];
  if (audit) return ['"verifyNames" checks nothing under "audit", which holds nothing up'];
  if (mode !== 'allowlist' && lookedFor(policy).length > 0) return [];
  if (mode !== 'allowlist') return [`"verifyNames" has no effect in mode "${mode}", in which no name opens anything`];
  return names
    .filter(({ protocol, unchecked }) => (protocol === 'udp' || protocol === 'sctp') && unchecked !== true)
    .map(
      ({ source, protocol }) =>
        `${source} opens nothing: "verifyNames" is on, and the first bytes of ${protocol} are not read; "/unchecked" behind it opens it`,
    );
}

/** What names of `deny` do beside what one may think of. */
function closedNames({ denyNames = [], overruled = [], verifyNames, mode }: Policy): string[] {
  const [first] = denyNames;
  if (first === undefined) return [];
  return [
    `${first.source} is refused by the agent's DNS: without the agent the container has no DNS at all`,
    ...denyNames
      .filter(({ ports, protocol }) => ports !== undefined || protocol !== 'any')
      .map(({ source, name }) => `${source} closes "${name}" at every port: DNS does not answer the name`),
    ...overruled.map((source) => `${source} opens nothing: "deny" closes it`),
    ...(verifyNames || mode === 'allowlist'
      ? []
      : [
          'names under "deny" are refused by DNS alone: who has an address of them by other ways reaches it; "verifyNames" looks at first bytes too',
        ]),
  ];
}

/** Names that mean the container itself, or its host, by convention of runtimes. */
const ownNames: Readonly<Record<string, string>> = {
  localhost: 'the container itself, which no policy keeps from itself',
  'host.docker.internal': 'the host',
  'gateway.docker.internal': 'the host',
  'host.containers.internal': 'the host',
  'host.lima.internal': 'the host',
};

function hostNames({ mode, names }: Policy): string[] {
  const found = mode === 'allowlist' ? names : [];
  return found.flatMap(({ name, source }) => {
    const meaning = name.endsWith('.localhost') ? ownNames['localhost'] : ownNames[name];
    if (meaning === undefined) return [];
    const remedy = meaning === 'the host' ? '; "hostPorts" and "hostAccess" open the host, at its gateway address' : '';
    return [`${source} opens nothing: the name means ${meaning}, and no name opens such an address${remedy}`];
  });
}

function hostPortsWithoutEffect({ hostAccess, hostPorts }: Policy): string[] {
  const isDefault = hostPorts.every(({ ports }) => ports?.from === 53 && ports.to === 53);
  return hostAccess === 'ports' || isDefault ? [] : [`"hostPorts" has no effect with "hostAccess": "${hostAccess}"`];
}

function auditing({ audit }: Policy): string[] {
  return audit ? ['"audit" is on: the policy counts what it would deny, and denies nothing'] : [];
}
