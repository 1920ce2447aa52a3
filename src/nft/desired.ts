import { compilePolicy } from '../egress/compile.ts';
import { egressElements, guardElements } from '../egress/elements.ts';
import { ingressPolicyElements } from '../egress/ingress-policy.ts';
import { portElements } from '../ports/elements.ts';
import { masqueradeElements } from '../ports/masquerade.ts';
import type { AttachmentRecord, EgressRecord } from '../records/record.ts';
import type { Claim } from './change.ts';
import { elementId, type Element } from './element.ts';
import type { RuleGroup } from './group.ts';

/** What a room of the house wants in the tables for an attachment. */
interface Contributor {
  readonly elements: (record: AttachmentRecord) => readonly Element[];
  readonly groups?: (record: AttachmentRecord) => readonly RuleGroup[];
}

const contributors: readonly Contributor[] = [
  { elements: portElements },
  { elements: masqueradeElements },
  { elements: egressElements, groups: ({ egress }) => (egress === undefined ? [] : [compiled(egress)]) },
  { elements: guardElements },
  { elements: ingressPolicyElements },
];

const claims = new WeakMap<AttachmentRecord, Claim>();

/**
 * Everything that our tables hold for an attachment. Nothing while its ADD is under way: the elements come
 * in one transaction when the links stand, and the record says "ready" from just before that.
 *
 * Throws a RangeError for a record with an interface name that no rule can name.
 */
export function desired(record: AttachmentRecord): Claim {
  const claim = claims.get(record) ?? workOut(record);
  claims.set(record, claim);
  return claim;
}

function workOut(record: AttachmentRecord): Claim {
  const { key, createdAt } = record;
  if (record.state === 'adding') return { key, createdAt, elements: [], groups: [] };
  const elements = contributors.flatMap((contributor) => contributor.elements(record));
  return {
    key,
    createdAt,
    elements: [...new Map(elements.map((element) => [elementId(element), element])).values()],
    groups: contributors.flatMap(({ groups }) => groups?.(record) ?? []),
  };
}

const groups = new Map<string, RuleGroup>();

/** Many attachments share a policy, and compiling a long one takes a while. */
function compiled({ policyId, policy }: EgressRecord): RuleGroup {
  const known = groups.get(policyId);
  if (known !== undefined) return known;
  const group = compilePolicy(policy);
  groups.set(policyId, group);
  return group;
}
