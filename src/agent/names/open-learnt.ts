import { uptime } from '../../host/uptime.ts';
import { rulesFor } from '../dns/names-policy.ts';
import { elementsOfLearnt, type LearntAddress } from '../learnt.ts';
import type { Opener } from './opener.ts';
import type { RefreshedPolicy } from './plan.ts';

/** Opens what containers had learnt of names: each container's own count for it, as they did when it asked. */
export async function openLearnt(
  opener: Pick<Opener, 'open'>,
  recalled: readonly LearntAddress[],
  refreshed: readonly RefreshedPolicy[],
): Promise<void> {
  const now = uptime();
  const opened = [...Map.groupBy(recalled, ({ source, name }) => `${source} ${name}`).values()].map(async (some) => {
    const [{ source, name } = { source: '', name: '' }] = some;
    const wildcard = refreshed
      .flatMap(({ names }) => rulesFor(names, name))
      .find((rule) => rule.name.startsWith('*.'))?.name;
    const elements = elementsOfLearnt(some, refreshed, now);
    if (elements.length > 0) await opener.open(elements, { source, ...(wildcard === undefined ? {} : { wildcard }) });
  });
  await Promise.all(opened);
}
