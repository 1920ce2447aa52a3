import { waitsForPolicy } from '../../records/waiting.ts';
import type { Attachment } from './attachments.ts';
import { count } from './words.ts';

/**
 * How many containers that run have an interface without a policy, in one sentence without a period; undefined when
 * none has.
 */
export function openWords(attachments: readonly Attachment[]): string | undefined {
  const living = attachments.filter(({ isAlive }) => isAlive);
  const containers = new Set(living.map(({ record }) => record.containerId));
  const open = new Set(
    living
      .filter(({ record }) => record.egress === undefined && !waitsForPolicy(record))
      .map(({ record }) => record.containerId),
  );
  if (open.size === 0) return undefined;
  return `${open.size} of ${count(containers.size, 'container')} ${open.size === 1 ? 'has' : 'have'} no policy and ${open.size === 1 ? 'reaches' : 'reach'} whatever the host reaches`;
}
