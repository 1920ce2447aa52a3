import { podElements } from '../../dataplane/elements/pod.ts';
import { podGroup } from '../../dataplane/pods/pod-group.ts';
import type { PodRecord } from '../record.ts';
import { ipText, list, object, text } from './read-value.ts';
import type { Section } from './section.ts';

/** The pod that a container is: it passes nothing for which the agent has put no policies in force. */
export const pod: Section<PodRecord> = {
  read,
  elements: podElements,
  groups: () => [podGroup],
  claims: ({ addresses }) => ({ addresses }),
};

function read(value: unknown): PodRecord {
  const from = object(value, '"pod"');
  for (const key of ['namespace', 'name', 'uid']) text(from, key);
  for (const address of list(from, 'addresses')) ipText(address, 'addresses');
  return from as unknown as PodRecord;
}
