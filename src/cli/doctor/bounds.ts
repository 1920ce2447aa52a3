import { shownName } from '../../repair/survey/container-names.ts';
import { metWords, readMetBounds, type BoundReport } from '../../repair/survey/met-bounds.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { Check, Trouble } from './check.ts';

/** Containers that took as much as one may: they do not get more, and others do not notice. */
export const boundsCheck: Check = {
  name: 'bounds',
  about: 'bounds of containers',
  run: async ({ attachments }) => {
    const records = attachments.map(({ record }) => record);
    const met = await readMetBounds(records);
    return records.flatMap((record) => (met.get(record.key) ?? []).map((one) => troubleOf(record, one)));
  },
};

function troubleOf(record: AttachmentRecord, one: BoundReport): Trouble {
  const who = shownName(record.containerId);
  const isSettable = one.bound.stopsConnections === true;
  return {
    severity: 'warning',
    found: `${who} ${metWords(record, [one]).join('')}`,
    why: 'a container that takes what all share is held to its part; a program that needs more fails in it',
    remedy: `look at what ${who} does${isSettable ? '; where that is what it is for, raise "maxConnections" in its policy' : ''}`,
    isAdvice: true,
  };
}
