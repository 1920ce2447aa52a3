import { nearestTo } from '../cni/nearest.ts';
import type { CniError } from '../cni/errors.ts';
import { InvalidValueError } from '../cni/errors.ts';
import { Fields, quote, show } from '../cni/fields.ts';
import { denyingRule } from './deny-names.ts';
import { offersDns, takesDns } from './dns-service.ts';
import { openedByPrivate } from './allow-private.ts';
import { parseAllowEntry, type AllowGround } from './parse-allow.ts';
import { parseGrantBounds } from './parse-grants.ts';
import { parseDns } from './parse-dns.ts';
import { entries, oneOf, refuseNull } from './policy-fields.ts';
import { policyKeys, policyModes } from './keys.ts';
import { policyTable } from './key-table.ts';
import { parseEntry, parsePortEntry, refusal, type Place } from './entry.ts';
import { type OnLinkNetwork } from './on-link.ts';
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
    hostAccess: oneOf(fields, 'hostAccess', policyTable.hostAccess.values) ?? 'ports',
    hostPorts: parseHostPorts(fields),
    ...(fields.raw('hostPorts') !== undefined && parseHostPorts(fields).some(takesDns)
      ? { hostDns: true as const }
      : {}),
    isolation: oneOf(fields, 'isolation', policyTable.isolation.values) ?? (mode === 'open' ? 'bridge' : 'container'),
    ingress: oneOf(fields, 'ingress', policyTable.ingress.values) ?? 'published',
    ipv6: oneOf(fields, 'ipv6', policyTable.ipv6.values) ?? 'filter',
    refreshIntervalMinutes: fields.integer('refreshIntervalMinutes', policyTable.refreshIntervalMinutes) ?? 30,
    dns: parseDns(fields.object('dns')),
    onDeny: oneOf(fields, 'onDeny', policyTable.onDeny.values) ?? 'reject',
    audit: fields.boolean('audit') ?? false,
    ...(fields.boolean('exclusive') === true ? { exclusive: true } : {}),
    ...parseMaxConnections(fields),
    ...parseQuotaKey(fields),
    ...parseMaxGrants(fields),
    ...parseRecord(fields),
  };
  refuseContradictions(policy, fields);
  return policy;
}

function parseMaxGrants(fields: Fields): Pick<Policy, 'maxGrants'> {
  const bounds = fields.object('maxGrants');
  return bounds === undefined ? {} : { maxGrants: parseGrantBounds(bounds) };
}

function parseMaxConnections(fields: Fields): Pick<Policy, 'maxConnections'> {
  const maxConnections = fields.integer('maxConnections', policyTable.maxConnections);
  return maxConnections === undefined ? {} : { maxConnections };
}

function parseQuotaKey(fields: Fields): Pick<Policy, 'quota'> {
  const quota = fields.object('quota');
  return quota === undefined ? {} : { quota: parseQuota(quota) };
}

function parseRecord(fields: Fields): Pick<Policy, 'record'> {
  const record = oneOf(fields, 'record', policyTable.record.values) ?? 'denied';
  return record === 'denied' ? {} : { record };
}

/** What has no effect in a mode is not resolved, compiled or told apart by id; the words stay for a notice. */
function ignoring(rules: readonly (AddressRule | NameRule)[]): Pick<Policy, 'ignored'> {
  return rules.length === 0 ? {} : { ignored: [...new Set(rules.map(({ source }) => source))] };
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

function parseAllow(fields: Fields, ground: AllowGround): { addresses: AddressRule[]; names: NameRule[] } {
  const rules = entries(fields, 'allow').map(({ value, place }) => parseAllowEntry(value, place, ground));
  return {
    addresses: rules.filter((rule) => 'prefix' in rule),
    names: rules.filter((rule) => 'name' in rule),
  };
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
