import { ingressPolicyElements } from '../../dataplane/elements/ingress-policy.ts';
import { masqueradeElements } from '../../dataplane/elements/masquerade.ts';
import type { IngressPolicyRecord } from '../record.ts';
import { interfaceName, matching, object } from './read-value.ts';
import type { Section } from './section.ts';

/** What the drop-in for firewall put around the container's bridge. */
export const ingressPolicy: Section<IngressPolicyRecord> = {
  read,
  elements: (_, record) => [
    ...ingressPolicyElements(record),
    ...(record.link === undefined ? masqueradeElements(record) : []),
  ],
  claims: ({ ingressInterface, policy }) => ({
    ingressInterface,
    isOpened: true,
    isPortIsolated: policy === 'isolated',
  }),
};

function read(value: unknown): IngressPolicyRecord {
  const from = object(value, '"ingressPolicy"');
  matching(from, 'ingressInterface', interfaceName);
  matching(from, 'policy', /^(?:open|same-bridge|isolated)$/);
  return from as unknown as IngressPolicyRecord;
}
