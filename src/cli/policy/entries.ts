import type { AddressRule, NameRule, Policy, PortRule } from '../../egress/policy.ts';
import { splitPrefix } from '../../ip/prefix.ts';

/** A policy key by key in plain text, every preset unfolded: what `show` prints and `diff` compares. */
export function unfold(policy: Policy): Map<string, string | readonly string[]> {
  const { mode, allowLocalNetworks, hostAccess, isolation, ingress, ipv6, refreshIntervalMinutes, dns, onDeny, audit } =
    policy;
  return new Map<string, string | readonly string[]>([
    ['mode', mode],
    ['allow', entryList([...policy.names, ...policy.allow])],
    ['allowPrivate', entryList(policy.allowPrivate)],
    ['deny', entryList([...policy.deny, ...(policy.denyNames ?? [])])],
    ['verifyNames', String(policy.verifyNames)],
    ['allowLocalNetworks', String(allowLocalNetworks)],
    ['hostAccess', hostAccess],
    ['hostPorts', hostAccess === 'ports' ? policy.hostPorts.map(portText) : []],
    ['isolation', isolation],
    ['ingress', ingress],
    ['ipv6', ipv6],
    ['refreshIntervalMinutes', String(refreshIntervalMinutes)],
    ['dns.upstream', dns.upstream],
    ['dns.denied', dns.denied],
    ['onDeny', onDeny],
    ['audit', String(audit)],
    ...(policy.exclusive === true ? [['exclusive', 'true'] as const] : []),
    ['maxConnections', policy.maxConnections === undefined ? [] : [String(policy.maxConnections)]],
    ['quota', policy.quota === undefined ? [] : [`${policy.quota.bytes} bytes per ${policy.quota.per}`]],
    ['maxGrants', boundsList(policy.maxGrants)],
    ['record', policy.record ?? 'denied'],
  ]);
}

function boundsList(bounds: Policy['maxGrants']): string[] {
  if (bounds === undefined) return [];
  const { within, milliseconds, count } = bounds;
  return [
    ...(within === undefined ? [] : [`within ${entryList([...within.names, ...within.addresses]).join(', ')}`]),
    `for ${milliseconds / 1000} s`,
    `count ${count}`,
  ];
}

/** A rule as one would write it under `allow`. */
export function entryText(rule: AddressRule | NameRule): string {
  const ports = portText(rule);
  const tail = ports === '' ? '' : /^\d/.test(ports) ? `:${ports}` : `/${ports}`;
  if ('name' in rule) return `${rule.name}${tail}${rule.unchecked ? '/unchecked' : ''}`;
  const { address, length } = splitPrefix(rule.prefix);
  const isSingle = length === (rule.family === 4 ? '32' : '128');
  const prefix = isSingle ? '' : `/${length}`;
  return rule.family === 6 && tail !== '' ? `[${address}]${prefix}${tail}` : `${address}${prefix}${tail}`;
}

function entryList(rules: readonly (AddressRule | NameRule)[]): string[] {
  return [...new Set(rules.map(entryText))].toSorted();
}

function portText({ protocol, ports }: PortRule): string {
  if (ports === undefined) return protocol === 'any' ? '' : protocol;
  const range = ports.from === ports.to ? String(ports.from) : `${ports.from}-${ports.to}`;
  return protocol === 'any' ? range : `${range}/${protocol}`;
}
