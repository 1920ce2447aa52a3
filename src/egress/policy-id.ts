import { sha256 } from '../digest/sha256.ts';
import { foldAddressRules, foldPorts, type OpenBox, type OpenRange } from './normalise.ts';
import type { AddressRule, NameRule, Policy, PortRule } from './policy.ts';

/**
 * Identifies what a policy compiles to: 16 hex digits of a SHA-256. Policies that open and close the same
 * have one id, however they are written and ordered, and share their chains and sets in the kernel.
 *
 * Out of it stay the words of the entries, the names of presets, how often names are refreshed, and how
 * the proxy words a refusal. The upstream resolvers are in it: what one resolver says must not open
 * anything for containers that trust another.
 */
export function policyId(policy: Policy): string {
  const compiled = {
    mode: policy.mode,
    allow: canonicalRules(policy.allow),
    names: canonicalNames(policy.names),
    allowPrivate: canonicalRules(policy.allowPrivate),
    deny: canonicalRules(policy.deny),
    ...closingNames(policy),
    ...checking(policy),
    ...granting(policy),
    allowLocalNetworks: policy.allowLocalNetworks,
    hostAccess: policy.hostAccess,
    hostPorts: policy.hostAccess === 'ports' ? canonicalPorts(policy.hostPorts) : [],
    isolation: policy.isolation,
    ingress: policy.ingress,
    ipv6: policy.ipv6,
    upstream: policy.dns.upstream,
    onDeny: policy.onDeny,
    audit: policy.audit,
  };
  return sha256(JSON.stringify(compiled)).slice(0, 16);
}

/** Whether a text has the form of a {@link policyId}. */
export function isPolicyId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** Nothing for a policy that says nothing of it: records of earlier versions have no such key. */
function checking({ verifyNames, names }: Policy): Record<string, unknown> {
  const unchecked = names.filter((rule) => rule.unchecked === true);
  return {
    ...(verifyNames ? { verifyNames } : {}),
    ...(unchecked.length > 0 ? { unchecked: canonicalNames(unchecked) } : {}),
  };
}

/** What is granted is one container's own, so it shares its chains with nobody. */
function granting({ grants }: Policy): Record<string, unknown> {
  return grants === undefined ? {} : { grants: grants.map(({ id }) => id).toSorted() };
}

/** Nothing without names there, for the same reason. */
function closingNames({ denyNames }: Policy): Record<string, unknown> {
  return denyNames === undefined ? {} : { denyNames: canonicalNames(denyNames) };
}

function canonicalRules(rules: readonly AddressRule[]): unknown {
  const { ranges, boxes, icmp } = foldAddressRules(rules);
  const range = ({ family, from, to }: OpenRange): string => `${family} ${from}-${to}`;
  const box = (open: OpenBox): string => `${range(open)} ${open.protocol} ${open.ports.from}-${open.ports.to}`;
  return { ranges: ranges.map(range), boxes: boxes.map(box), icmp: icmp.map(range) };
}

function canonicalNames(rules: readonly NameRule[]): unknown {
  const byName = Map.groupBy(rules, ({ name }) => name);
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, own]) => [name, canonicalPorts(own)]);
}

function canonicalPorts(rules: readonly PortRule[]): unknown {
  const everything = rules.some(({ protocol, ports }) => protocol === 'any' && ports === undefined);
  if (everything) return 'any';
  return {
    icmp: rules.some(({ protocol }) => protocol === 'icmp'),
    ports: foldPorts(rules).map(({ protocol, from, to }) => `${protocol} ${from}-${to}`),
  };
}
