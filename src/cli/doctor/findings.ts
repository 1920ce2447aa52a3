import { shellTextOf } from '../../links/text.ts';
import type { Attachment } from '../../repair/survey/attachments.ts';
import type { Finding } from '../../repair/survey/finding.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import type { Trouble } from './check.ts';

/**
 * What the survey found of one kind, as doctor tells it: each sentence once, with all containers that it is true of.
 */
export function troublesOf(attachments: readonly Attachment[], kind: Finding['kind']): Trouble[] {
  const found = attachments.flatMap((attachment) =>
    attachment.findings.filter((finding) => finding.kind === kind).map(({ what }) => ({ what, attachment })),
  );
  return [...Map.groupBy(found, ({ what }) => what)].flatMap(([what, own]): Trouble[] => {
    const [first] = own;
    if (first === undefined) return [];
    return [
      { found: `${what} (${whoWords(own.map(({ attachment }) => attachment))})`, ...aboutKind(kind, first.attachment) },
    ];
  });
}

/** So many containers are named. */
const mostNamed = 3;

function whoWords(attachments: readonly Attachment[]): string {
  const names = [...new Set(attachments.map(({ record }) => shownName(record.containerId)))];
  const more = names.length - mostNamed;
  return `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function aboutKind(
  kind: Finding['kind'],
  { record: { netns, ifname, containerId } }: Attachment,
): Omit<Trouble, 'found'> {
  switch (kind) {
    case 'inside':
      return {
        severity: 'problem',
        why: 'the container reaches nothing by it, and nobody reaches the container',
        remedy: `nsenter --net=${netns} ${shellTextOf({ kind: 'setLink', name: ifname, state: 'up' })}`,
      };
    case 'policy':
      return {
        severity: 'problem',
        why: 'no container can be added under a policy that is gone or invalid, and what was changed in a file does not hold until it is applied',
        remedy: 'drawbridge refresh   # after the file is right; the agent does it by itself',
      };
    case 'namespace':
      return {
        severity: 'warning',
        why: 'what is looked at there is not the container that was added',
        remedy: 'restart the container, then run "drawbridge clean"',
        isAdvice: true,
      };
    case 'unused':
      return {
        severity: 'notice',
        why: 'a guest that has ended, or has not begun, keeps its address and its ports',
        remedy: `drawbridge tap remove ${containerId}   # unless a VM is still to be started with it`,
        isAdvice: true,
      };
    case 'adding':
      return {
        severity: 'notice',
        why: 'until its ADD ends the container has no rules of its own; one that was cut short is a leftover',
        remedy: 'drawbridge clean',
      };
    case 'ended':
    case 'link':
    case 'rules':
    case 'unclear':
    case 'waiting':
      throw new RangeError(`"${kind}" has a check of its own`);
  }
}
