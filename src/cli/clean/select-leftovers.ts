import type { Finding, RecordSurvey } from '../../repair/orphans/finding.ts';
import { surveyAttachments } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { readDenials } from '../../repair/survey/denials.ts';
import { isWhole, select, type Selection } from '../list/select.ts';

/**
 * The leftovers that are meant. What a record tells of is selected as `list` selects; of what has no record only name,
 * network and container are known, so nothing else selects it. `--stale` are those that have a record.
 */
export async function selectLeftovers(
  findings: readonly Finding[],
  { records }: Pick<RecordSurvey, 'records'>,
  selection: Selection,
  sort: string | undefined,
): Promise<readonly Finding[]> {
  const { pattern, network, policy, isDenied, isStale, isOpen } = selection;
  const sorted =
    sort === undefined ? findings : findings.toSorted(by(sort === 'container' ? nameOf : ({ name }) => name));
  if (isWhole(selection)) return sorted;
  const { attachments } = await surveyAttachments();
  const meant = new Set(
    select(attachments, selection, await readDenials(records)).map(
      ({ record }) => `${record.network} ${record.containerId}`,
    ),
  );
  const needsRecord = policy !== undefined || isDenied || isStale || isOpen;
  return sorted.filter((finding) => {
    if (meant.has(`${finding.network} ${finding.containerId}`)) return true;
    if (needsRecord) return false;
    const words = [finding.name, finding.network ?? '', finding.containerId ?? '', nameOf(finding)];
    return (
      (network === undefined || finding.network === network) &&
      (pattern === undefined || words.some((word) => pattern.test(word)))
    );
  });
}

function by(key: (finding: Finding) => string): (one: Finding, other: Finding) => number {
  return (one, other) => key(one).localeCompare(key(other), 'en', { numeric: true });
}

/** What its container is called; empty where it has none. */
function nameOf({ containerId }: Finding): string {
  return containerId === undefined ? '' : shownName(containerId);
}
