import type { Limit, ShapedRecord } from '../../links/shaping.ts';
import { interfaceName, matching, object, whole } from './read-value.ts';
import type { Section } from './section.ts';

/** What the drop-in for bandwidth limits. */
export const shaped: Section<ShapedRecord> = {
  read,
  elements: () => [],
  claims: ({ hostInterface, ingressInterface }) => ({
    hostInterface,
    ...(ingressInterface === undefined ? {} : { ingressInterface }),
  }),
};

function read(value: unknown): ShapedRecord {
  const from = object(value, '"shaped"');
  matching(from, 'hostInterface', interfaceName);
  if (from['ingressInterface'] !== undefined) matching(from, 'ingressInterface', interfaceName);
  if (from['ifb'] !== undefined) matching(from, 'ifb', /^bwp[0-9a-f]{12}$/);
  if (from['limits'] !== undefined) readLimits(object(from['limits'], '"limits"'));
  return from as unknown as ShapedRecord;
}

function readLimits(from: Record<string, unknown>): void {
  for (const way of ['ingress', 'egress']) {
    if (from[way] === undefined) continue;
    const limit = object(from[way], `"${way}"`);
    for (const key of ['rate', 'burst'] satisfies (keyof Limit)[]) whole(limit, key, 0, Number.MAX_SAFE_INTEGER);
  }
}
