import { nearestTo } from '../cni/nearest.ts';
import type { CniError } from '../cni/errors.ts';
import { InvalidValueError } from '../cni/errors.ts';
import { Fields, quote, show } from '../cni/fields.ts';
import { formatAddress, readAnyAddress } from '../ip/address.ts';
import { denyingRule } from './deny-names.ts';
import { offersDns, takesDns } from './dns-service.ts';
import { openedByPrivate } from './allow-private.ts';
import { policyKeys, policyModes } from './keys.ts';
import { parseEntry, parsePortEntry, refusal, type Place } from './entry.ts';
import { aboutOnLink, onLinkNetworkOf, type OnLinkNetwork } from './on-link.ts';
import type { AddressRule, NameRule, Policy, PortRule } from './policy.ts';
import { parseQuota } from './quota.ts';
import { noOwnPresets, presetNames, presetRules } from './presets.ts';
import type { OwnPresets } from './presets/own.ts';

/**
 * Reads a policy: checks every key, fills in the defaults, and puts the contents of presets among the rules.
 *
 * `where` is the path of the object in what the user wrote ("egress"; empty for the whole of it) and
 * starts the key that an error names; `own` are the operator's presets. Without `mode` a policy is "restricted", unless
 * it has `allow` or `preset`: who lists what is allowed means the list, so it is "allowlist" then.
 *
 * `onLink` are the networks that the host is on (on-link.ts), none where nothing is known of the host: an entry of
 * `allow` that is inside one of them is refused, since `allowPrivate` opens there.
 *
 * Throws {@link CniError} with code 7 for an unknown key, a value of another type or outside its range,
 * an entry that cannot be understood, and for a policy that contradicts itself: an allowlist of nothing,
 * a preset in a mode that is wider than it, "none" beside anything that opens more than DNS.
 */
export function parsePolicy(
  raw: unknown,
  where: string,
  own: OwnPresets = noOwnPresets,
  onLink: readonly OnLinkNetwork[] = [],
): Policy {
  const fields = new Fields(raw, where).only(policyKeys);
  refuseNull(fields);
  const preset = parsePreset(fields, own);
  const mode =
    oneOf(fields, 'mode', policyModes) ??
    (preset === undefined && fields.raw('allow') === undefined ? 'restricted' : 'allowlist');
  const verifyNames = fields.boolean('verifyNames') ?? false;
  const listed = parseAllow(fields, { verifyNames, onLink: mode === 'allowlist' ? onLink : [] });
  const fromPresets = (preset ?? []).map((name) => presetRules(name, own));
  const allow = [...listed.addresses, ...fromPresets.flatMap(({ addresses }) => addresses)];
  const denied = parseDeny(fields);
  const { true: overruled = [], false: names = [] } = Object.groupBy(
    [...listed.names, ...fromPresets.flatMap(({ names }) => names)],
    ({ name }) => `${denyingRule(denied, name) !== undefined}`,
  );
  const policy: Policy = {
    mode,
    preset: preset ?? [],
    ...(mode === 'allowlist' ? { allow, names } : { allow: [], names: [], ...ignoring([...allow, ...names]) }),
    allowPrivate: addressEntries(fields, 'allowPrivate').flatMap(({ rule, place }) => openedByPrivate(rule, place)),
    ...denied,
    ...overruling(overruled.filter((rule) => listed.names.includes(rule))),
    verifyNames,
    allowLocalNetworks: fields.boolean('allowLocalNetworks') ?? false,
    hostAccess: oneOf(fields, 'hostAccess', ['ports', 'all', 'none']) ?? 'ports',
    hostPorts: parseHostPorts(fields),
    ...(fields.raw('hostPorts') !== undefined && parseHostPorts(fields).some(takesDns)
      ? { hostDns: true as const }
      : {}),
    isolation:
      oneOf(fields, 'isolation', ['container', 'bridge', 'none']) ?? (mode === 'open' ? 'bridge' : 'container'),
    ingress: oneOf(fields, 'ingress', ['published', 'open']) ?? 'published',
    ipv6: oneOf(fields, 'ipv6', ['filter', 'disable']) ?? 'filter',
    refreshIntervalMinutes: fields.integer('refreshIntervalMinutes', { min: 0, max: longestRefresh }) ?? 30,
    dns: parseDns(fields),
    onDeny: oneOf(fields, 'onDeny', ['reject', 'drop']) ?? 'reject',
    audit: fields.boolean('audit') ?? false,
    ...(fields.boolean('exclusive') === true ? { exclusive: true } : {}),
    ...parseQuotaKey(fields),
    ...parseRecord(fields),
  };
  refuseContradictions(policy, fields);
  return policy;
}

function parseQuotaKey(fields: Fields): Pick<Policy, 'quota'> {
  const quota = fields.object('quota');
  return quota === undefined ? {} : { quota: parseQuota(quota) };
}

function parseRecord(fields: Fields): Pick<Policy, 'record'> {
  const record = oneOf(fields, 'record', ['denied', 'all', 'none']) ?? 'denied';
  return record === 'denied' ? {} : { record };
}

/** Minutes; a week. */
const longestRefresh = 10_080;

/** What has no effect in a mode is not resolved, compiled or told apart by id; the words stay for a notice. */
function ignoring(rules: readonly (AddressRule | NameRule)[]): Pick<Policy, 'ignored'> {
  return rules.length === 0 ? {} : { ignored: [...new Set(rules.map(({ source }) => source))] };
}

/** Null passes for an absent key elsewhere; here it would turn `"deny": null` of a failed template into no denial. */
function refuseNull(fields: Fields): void {
  const key = fields.keys().find((name) => fields.value[name] === null);
  if (key !== undefined) throw new InvalidValueError(fields.at(key), 'it is null', 'Leave the key out for its default');
}

function parsePreset(fields: Fields, own: OwnPresets): string[] | undefined {
  const raw = fields.raw('preset');
  if (raw === undefined) return undefined;
  const isOne = typeof raw === 'string';
  const names = isOne ? [raw] : (fields.strings('preset') ?? []);
  const known = presetNames(own);
  for (const [index, name] of names.entries()) {
    if (!known.includes(name))
      throw new InvalidValueError(
        `${fields.at('preset')}${isOne ? '' : `[${index}]`}`,
        `there is no preset ${quote(name)}${nearWords(nearestTo(name, known))}`,
        `The presets are ${known.map(quote).join(', ')}; your own are files in /etc/drawbridge/presets`,
      );
  }
  return [...new Set(names)];
}

function nearWords(nearest: string | undefined): string {
  return nearest === undefined ? '' : `, the nearest one is ${quote(nearest)}`;
}

/** What an entry of `allow` is held to besides its form. */
interface AllowGround {
  readonly verifyNames: boolean;
  readonly onLink: readonly OnLinkNetwork[];
}

function parseAllow(
  fields: Fields,
  { verifyNames, onLink }: AllowGround,
): { addresses: AddressRule[]; names: NameRule[] } {
  const addresses: AddressRule[] = [];
  const names: NameRule[] = [];
  for (const { value, place } of entries(fields, 'allow')) {
    const entry = parseEntry(value, place);
    if (entry.kind === 'address') {
      addresses.push(unlessOnLink(entry.rule, { value, place, onLink }));
      continue;
    }
    if (verifyNames) refuseNamelessProtocol(entry.rule, value, place);
    names.push(entry.rule);
  }
  return { addresses, names };
}

/** Ports of protocols whose clients send no name, or wait for the server to speak first. */
const namelessPorts: ReadonlyMap<number, string> = new Map([
  [22, 'SSH'],
  [25, 'SMTP'],
  [3306, 'MySQL'],
  [5432, 'PostgreSQL'],
  [6379, 'Redis'],
  [9418, 'git'],
]);

/** What `verifyNames` would let nobody use is refused when the policy is read, and not by a connection that ends. */
function refuseNamelessProtocol({ protocol, ports, name, unchecked }: NameRule, value: unknown, place: Place): void {
  if (unchecked || ports === undefined || (protocol !== 'any' && protocol !== 'tcp')) return;
  const found = [...namelessPorts].find(([port]) => ports.from <= port && port <= ports.to);
  if (found === undefined) return;
  const [port, service] = found;
  const range = ports.from === ports.to ? `${port}` : `${ports.from}-${ports.to}`;
  throw refusal(
    show(value),
    place,
    `the first bytes of ${service} at port ${port} show no name, and "verifyNames" is on`,
    `protocols that cannot be checked (SSH, git, databases) need an entry that says so: ${quote(`${name}:${range}/tcp/unchecked`)}`,
  );
}

/** What the kernel would go on to close is not let pass as open. */
function unlessOnLink(
  rule: AddressRule,
  { value, place, onLink }: { value: unknown; place: Place; onLink: readonly OnLinkNetwork[] },
): AddressRule {
  const network = onLinkNetworkOf(rule.prefix, onLink);
  if (network === undefined) return rule;
  throw refusal(
    show(value),
    place,
    `it is in ${network.prefix}, ${aboutOnLink}`,
    'such a network is local: "allowPrivate" opens it, and "allow" does not',
  );
}

function parseDeny(fields: Fields): Pick<Policy, 'deny' | 'denyNames'> {
  const parsed = entries(fields, 'deny').map(({ value, place }) => parseEntry(value, place));
  const names = parsed.flatMap((entry) => (entry.kind === 'name' ? [entry.rule] : []));
  return {
    deny: parsed.flatMap((entry) => (entry.kind === 'address' ? [entry.rule] : [])),
    ...(names.length === 0 ? {} : { denyNames: names }),
  };
}

function overruling(rules: readonly NameRule[]): Pick<Policy, 'overruled'> {
  return rules.length === 0 ? {} : { overruled: [...new Set(rules.map(({ source }) => source))] };
}

/** Entries of a list that takes no names: a name means what its owner makes it mean, from one minute to the next. */
function addressEntries(fields: Fields, key: 'allowPrivate'): { rule: AddressRule; place: Place }[] {
  return entries(fields, key).map(({ value, place }) => {
    const entry = parseEntry(value, place);
    if (entry.kind === 'name')
      throw refusal(
        show(value),
        place,
        `${quote(entry.rule.name)} is a name, and "${key}" takes addresses only`,
        'expected an address or a prefix: what a name resolves to may change at any time',
      );
    return { rule: entry.rule, place };
  });
}

function parseHostPorts(fields: Fields): PortRule[] {
  if (fields.raw('hostPorts') === undefined) {
    return [
      { protocol: 'udp', ports: { from: 53, to: 53 } },
      { protocol: 'tcp', ports: { from: 53, to: 53 } },
    ];
  }
  return entries(fields, 'hostPorts').map(({ value, place }) => parsePortEntry(value, place));
}

/**
 * Five new names a second under one wildcard, and hundreds at once. What was asked before does not count. As a way to
 * send data out in labels it carries less than a kilobyte a second.
 */
export const usualQueriesPerMinute = 300;

function parseDns(fields: Fields): Policy['dns'] {
  const dns = fields.object('dns')?.only(['upstream', 'denied', 'maxQueriesPerMinute']);
  if (dns === undefined) return { upstream: [], denied: 'refused', maxQueriesPerMinute: usualQueriesPerMinute };
  refuseNull(dns);
  return {
    upstream: entries(dns, 'upstream').map(({ value, place }) => parseServer(value, place)),
    denied: oneOf(dns, 'denied', ['refused', 'nxdomain']) ?? 'refused',
    maxQueriesPerMinute: dns.integer('maxQueriesPerMinute', { min: 1, max: 1_000_000 }) ?? usualQueriesPerMinute,
  };
}

/** A DNS server: an address, with a port where that is not 53. Canonical: "9.9.9.9", "[2001:db8::1]:5353". */
function parseServer(value: unknown, place: Place): string {
  const match =
    typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:[\]]+|[^[\]]*:[^[\]]*:[^[\]]*))(?::(\d+))?$/.exec(value) : null;
  const address = readAnyAddress(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3] ?? 53);
  if (address === undefined || port < 1 || port > 65535)
    throw refusal(
      show(value),
      place,
      'it is not the address of a DNS server',
      'expected "9.9.9.9", "9.9.9.9:5353", "2001:db8::1" or "[2001:db8::1]:5353"',
    );
  const text = formatAddress(address);
  if (port === 53) return text;
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

function refuseContradictions(policy: Policy, fields: Fields): void {
  const { mode, preset, allow, names, allowPrivate, denyNames = [], overruled = [] } = policy;
  const invalid = (key: string, what: string, remedy: string): CniError =>
    new InvalidValueError(fields.at(key), what, remedy);
  const listing = preset.filter((name) => name !== 'unrestricted');
  if (mode !== 'allowlist' && listing.length > 0) {
    throw invalid(
      'preset',
      `${listing.map(quote).join(', ')} lists what is allowed, and mode "${mode}" opens more than that`,
      'Use mode "allowlist", or leave the preset out',
    );
  }
  if (preset.includes('none') && (preset.length > 1 || allow.length + names.length + allowPrivate.length > 0)) {
    throw invalid(
      'preset',
      '"none" is DNS only, and the policy opens more',
      'Leave "none" out, or everything under "allow" and "allowPrivate" and the other presets',
    );
  }
  if (denyNames.length > 0 && !offersDns(policy)) {
    throw invalid(
      'deny',
      `${denyNames[0]?.source} is a name, which the agent's DNS at the gateway refuses, and port 53 of the gateway is closed`,
      'Open it with "hostAccess" and "hostPorts", or deny addresses',
    );
  }
  if (
    mode === 'allowlist' &&
    preset.length + allow.length + names.length + allowPrivate.length + overruled.length === 0
  ) {
    throw invalid(
      'mode',
      'it is "allowlist", and nothing is listed',
      'List destinations under "allow", or name a preset; "preset": "none" is DNS only',
    );
  }
}

function entries(fields: Fields, key: string): { value: unknown; place: Place }[] {
  return (fields.list(key) ?? []).map((value, index) => ({
    value,
    place: { key, path: `${fields.at(key)}[${index}]` },
  }));
}

function oneOf<const Value extends string>(fields: Fields, key: string, values: readonly Value[]): Value | undefined {
  const given = fields.string(key);
  if (given === undefined) return undefined;
  const value = values.find((candidate) => candidate === given);
  if (value === undefined) throw fields.invalid(key, `one of ${values.map(quote).join(', ')}`);
  return value;
}
