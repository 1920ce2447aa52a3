import { madeAt } from './age.ts';
import type { AttachmentRecord } from './record.ts';
import { elementsOf, groupsOf } from './sections.ts';
import type { Claim } from '../dataplane/difference.ts';
import { elementId } from '../nft/element.ts';

const claims = new WeakMap<AttachmentRecord, Claim>();

/**
 * Everything that our tables hold for an attachment: what its sections want (records/sections.ts). Nothing while its
 * ADD is under way: the elements come in one transaction when the links stand, and the record says "ready" from just
 * before that.
 *
 * Throws a RangeError for a record with an interface name that no rule can name.
 */
export function desired(record: AttachmentRecord): Claim {
  const claim = claims.get(record) ?? workOut(record);
  claims.set(record, claim);
  return claim;
}

function workOut(record: AttachmentRecord): Claim {
  const identity = { key: record.key, createdAt: record.createdAt, madeAt: madeAt(record) };
  if (record.state === 'adding') return { ...identity, elements: [], groups: [] };
  const elements = new Map(elementsOf(record).map((element) => [elementId(element), element]));
  return { ...identity, elements: [...elements.values()], groups: groupsOf(record) };
}
