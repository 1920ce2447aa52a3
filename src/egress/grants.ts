/**
 * Grants: what one container may reach on top of its policy, for a time ("drawbridge allow"). They are part of the
 * policy in its record, so that everything that judges, compiles or answers by that policy knows them; the kernel ends
 * them.
 */
import { InvalidValueError } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { sha256 } from '../digest/sha256.ts';
import { denyingRule } from './deny-names.ts';
import { covers, intervalOf, overlaps } from './interval.ts';
import { nameCovers } from './name.ts';
import type { OnLinkNetwork } from './on-link.ts';
import { parseAllowEntry } from './parse-allow.ts';
import type { AddressRule, Grant, GrantBounds, NameRule, Policy, PortRule } from './policy.ts';
import { policyId } from './policy-id.ts';
import { bogonRanges, metadataRanges, privateRanges } from './ranges-reserved.ts';

/** How far "drawbridge allow" may go where a policy does not say: a day, and sixteen at once. */
export const usualBounds: GrantBounds = { milliseconds: 86_400_000, count: 16 };

/**
 * Reads a destination as an entry of `allow`, granted to the attachment with a key until a moment (milliseconds since
 * boot). Throws code 7 for what is no entry, and for what no grant can open: `deny`, private and reserved ranges and
 * other modes than a list come before it.
 */
export function makeGrant(
  text: string,
  policy: Policy,
  { key, endsAt, onLink }: { readonly key: string; readonly endsAt: number; readonly onLink: readonly OnLinkNetwork[] },
): Grant {
  const place = { key: 'grant', path: 'DESTINATION' };
  const rule = parseAllowEntry(text, place, { verifyNames: policy.verifyNames, onLink });
  const refused = (why: string, remedy: string): InvalidValueError =>
    new InvalidValueError('DESTINATION', `${quote(text)} cannot be granted: ${why}`, remedy);
  if (policy.mode !== 'allowlist')
    throw refused(
      `mode "${policy.mode}" opens every public destination, and no grant opens more`,
      'For private destinations there is "allowPrivate"',
    );
  const closed = closedBy(rule, policy);
  if (closed !== undefined) throw refused(`${closed} closes it, before everything else`, 'Change the policy');
  const id = sha256(`${key} ${JSON.stringify({ ...rule, source: '' })}`).slice(0, 8);
  return { id, rule: { ...rule, grant: id }, endsAt };
}

/** What would always be judged before a grant. */
function closedBy(rule: AddressRule | NameRule, policy: Policy): string | undefined {
  if ('name' in rule) return denyingRule(policy, rule.name)?.source;
  const own = intervalOf(rule.prefix);
  const denied = policy.deny.find(
    ({ prefix, protocol, ports }) => protocol === 'any' && ports === undefined && covers(intervalOf(prefix), own),
  );
  if (denied !== undefined) return denied.source;
  const reserved = [...metadataRanges, ...bogonRanges(), ...(policy.allowLocalNetworks ? [] : privateRanges())];
  return rule.prefix.endsWith('/0')
    ? undefined
    : reserved.find(({ prefix }) => overlaps(intervalOf(prefix), own))?.prefix;
}

/** Why the bounds of a policy (`maxGrants`) do not let it have these grants; undefined when they do. */
export function beyondBounds(policy: Policy, grants: readonly Grant[]): string | undefined {
  const { within, count } = policy.maxGrants ?? usualBounds;
  if (grants.length > count) return `"maxGrants" lets ${count} be there at once`;
  const beyond = within === undefined ? undefined : grants.find(({ rule }) => !isWithin(rule, within));
  return beyond === undefined ? undefined : `"maxGrants" opens nothing that holds ${beyond.rule.source}`;
}

/** A policy with what is granted on top of it, as far as that has not ended and its bounds let it. */
export function withGrants(policy: Policy, grants: readonly Grant[], now: number): Policy {
  const base = withoutGrants(policy);
  if (base.mode !== 'allowlist') return base;
  const kept: Grant[] = [];
  for (const grant of grants)
    if (
      grant.endsAt > now &&
      closedBy(grant.rule, base) === undefined &&
      beyondBounds(base, [...kept, grant]) === undefined
    )
      kept.push(grant);
  if (kept.length === 0) return base;
  const rules = kept.map(({ rule }) => rule);
  return {
    ...base,
    allow: [...base.allow, ...rules.filter((rule) => 'prefix' in rule)],
    names: [...base.names, ...rules.filter((rule) => 'name' in rule)],
    grants: kept,
  };
}

/** The policy alone, as its file or its conf has it. */
export function withoutGrants(policy: Policy): Policy {
  if (policy.grants === undefined) return policy;
  const { grants: _, ...base } = policy;
  return {
    ...base,
    allow: policy.allow.filter(({ grant }) => grant === undefined),
    names: policy.names.filter(({ grant }) => grant === undefined),
  };
}

/** The id of a policy alone, of one whose id with its grants is known. */
export function idWithoutGrants({
  policy,
  policyId: id,
}: {
  readonly policy: Policy;
  readonly policyId: string;
}): string {
  return policy.grants === undefined ? id : policyId(withoutGrants(policy));
}

/** A policy as it holds at a moment: grants end before anybody takes them out of a record. */
export function policyAt(policy: Policy, now: number): Policy {
  return policy.grants === undefined ? policy : withGrants(policy, policy.grants, now);
}

function isWithin(rule: AddressRule | NameRule, { addresses, names }: NonNullable<GrantBounds['within']>): boolean {
  if ('name' in rule)
    return names.some(
      (bound) =>
        (nameCovers(bound.name, rule.name) || bound.name === rule.name) &&
        takesIn(bound, rule) &&
        (bound.unchecked === true || rule.unchecked !== true),
    );
  return addresses.some((bound) => covers(intervalOf(bound.prefix), intervalOf(rule.prefix)) && takesIn(bound, rule));
}

/** Whether ports and protocol of one rule hold all those of another. */
function takesIn(outer: PortRule, inner: PortRule): boolean {
  if (outer.protocol === 'any' && outer.ports === undefined) return true;
  if (outer.protocol !== 'any' && outer.protocol !== inner.protocol) return false;
  if (inner.protocol === 'any' && inner.ports === undefined) return false;
  if (outer.ports === undefined) return true;
  return inner.ports !== undefined && outer.ports.from <= inner.ports.from && inner.ports.to <= outer.ports.to;
}
