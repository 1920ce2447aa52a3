import { CniError, codes } from '../../cni/errors.ts';
import { nearestTo } from '../../cni/nearest.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { containerNames, shownName, wordsOf } from './container-names.ts';
import { addressesOf, hostInterfacesOf } from '../../records/sections.ts';

/**
 * The attachments that a person means: by the container's id or an unambiguous beginning of it, the name of its
 * namespace, one of its addresses, or the host's end of its interface; with "/net1" behind it, that interface alone.
 *
 * Throws code 3 when there is none, and when it could be two containers.
 */
export function findAttachments(asked: string, records: readonly AttachmentRecord[]): AttachmentRecord[] {
  const slash = asked.lastIndexOf('/');
  const whole = matching(asked, records);
  const found =
    whole.length === 0 && slash > 0
      ? matching(asked.slice(0, slash), records).filter(({ ifname }) => ifname === asked.slice(slash + 1))
      : whole;
  if (found.length === 0) throw unknown(asked, records);
  const ids = [...new Set(found.map(({ containerId }) => containerId))];
  if (ids.length === 1) return found;
  throw new CniError(
    codes.unknownContainer,
    `Cannot tell which container "${asked}" is: ${ids.length} containers match`,
    `They are ${ids.map((id) => (containerNames().has(id) ? `${shownName(id)}: ${id}` : id)).join(', ')}`,
  );
}

function matching(asked: string, records: readonly AttachmentRecord[]): AttachmentRecord[] {
  const tests: ((record: AttachmentRecord) => boolean)[] = [
    ({ containerId }) => containerId === asked,
    (record) => addressesOf(record).includes(asked),
    (record) => hostInterfacesOf(record).includes(asked),
    ({ containerId }) => isCalled(asked, containerId),
    ({ netns }) => netns === asked || netns.split('/').at(-1) === asked,
    ({ containerId }) => asked.length >= 2 && containerId.startsWith(asked),
    // nerdctl calls a container "<namespace>-<id>", and shows its user the id.
    ({ containerId }) =>
      asked.length >= 2 && /-[0-9a-f]{64}$/.test(containerId) && containerId.slice(-64).startsWith(asked),
  ];
  for (const test of tests) {
    const found = records.filter(test);
    if (found.length > 0) return found;
  }
  return [];
}

/** "web", "default/web", or "web" alone of a pod. */
function isCalled(asked: string, containerId: string): boolean {
  const name = containerNames().get(containerId);
  return name !== undefined && (name.name === asked || wordsOf(name) === asked);
}

/** There is no container of a name; code 3. */
export class UnknownContainer extends CniError {}

function unknown(asked: string, records: readonly AttachmentRecord[]): UnknownContainer {
  const ids = [...new Set(records.map(({ containerId }) => containerId))];
  const near = nearestTo(asked, [...ids, ...ids.map(shownName)]);
  const advice =
    ids.length === 0
      ? 'No container is attached: "drawbridge list" shows none'
      : near === undefined
        ? `"drawbridge list" shows the ${ids.length === 1 ? 'one that is' : `${ids.length} that are`}; an id, the beginning of one, or an address will do`
        : `Did you mean "${near}"? "drawbridge list" shows all`;
  return new UnknownContainer(
    codes.unknownContainer,
    `Cannot find the container "${asked}": there is no record of it`,
    advice,
  );
}
