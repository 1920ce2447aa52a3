import { expectsPolicy } from '../../plugins/drawbridge/expected-policy.ts';
import { letGo } from '../../plugins/drawbridge/let-go.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { entryOf } from '../../records/sections/link.ts';
import { waitsForEver } from '../../records/waiting.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import type { Trouble } from './check.ts';

/** Containers that wait for a policy that never came: they reach nothing, and every rule of theirs is in order. */
export function checkWaiting({ attachments }: Survey): Trouble[] {
  return attachments.flatMap(({ record, isAlive }) =>
    isAlive && waitsForEver(record) ? [waitingTrouble(record)] : [],
  );
}

function waitingTrouble(record: AttachmentRecord): Trouble {
  const { containerId, network, link } = record;
  const found = `${shownName(containerId)} waits for a policy that never came, and reaches nothing`;
  if (link !== undefined && !expectsPolicy({ network, conf: entryOf(link) }))
    return {
      severity: 'problem',
      found,
      why: `the list of its network "${network}" has no "egress-policy" behind "drawbridge"; "awaitsPolicy": false there says so`,
      remedy: 'drawbridge doctor --fix   # lets it out, as a container without a policy',
      fix: async () => letGo(record),
    };
  return {
    severity: 'problem',
    found,
    why: `its network "${network}" says that "egress-policy" follows, and its runtime did not call it`,
    remedy: 'add the container again; without a policy in the list, write "awaitsPolicy": false at "drawbridge"',
    isAdvice: true,
  };
}
