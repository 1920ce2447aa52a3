import { metWords, readMetBounds } from '../../repair/survey/met-bounds.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { Obstacle } from './obstacle.ts';

/** Seconds: what was over a bound so lately would be again. */
const lately = 10;

/** Bounds that keep new connections of a container from beginning, whatever its policy says. */
export async function boundObstacles(record: AttachmentRecord): Promise<Obstacle[]> {
  const met = (await readMetBounds([record])).get(record.key) ?? [];
  const now = met.filter(({ bound, ago }) => bound.stopsConnections === true && ago <= lately);
  return now.map((one) => ({
    kind: 'bound',
    what: `it has ${metWords(record, [one]).join('')}`,
    remedy: 'wait until it has fewer connections, or raise "maxConnections" in its policy',
    isAdvice: true,
  }));
}
