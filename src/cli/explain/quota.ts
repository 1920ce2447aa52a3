import { currentUse, rememberedUse } from '../../dataplane/quotas.ts';
import { periodStart } from '../../egress/quota.ts';
import { familyOf } from '../../ip/family.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, groupsOf, portsOf } from '../../records/sections.ts';
import { isAgentRunning } from '../../repair/survey/agent.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { byteWords, localTime } from '../flows/line.ts';
import type { Obstacle, Way } from './obstacle.ts';

/**
 * The quotas that are used up, of the container and of the one that it asks: nothing passes of either then. What is for
 * the host itself is not counted, nor what is `isUnseen` since it stays in a bridge.
 */
export async function quotaObstacles(
  way: Way,
  { isLocal, isUnseen }: { isLocal: boolean; isUnseen: boolean },
): Promise<Obstacle[]> {
  const { record } = way;
  const peer = isLocal ? publisherOf(way) : holderOf(way);
  if (isLocal ? peer === undefined : isUnseen) return [];
  const parties = peer === undefined || peer.key === record.key ? [record] : [record, peer];
  const used = currentUse(parties.flatMap(groupsOf));
  const spent = parties.filter(({ key, egress }) => (used.get(key) ?? 0) >= (egress?.policy.quota?.bytes ?? Infinity));
  if (spent.length === 0) return [];
  const isRenewed = await isAgentRunning();
  return spent.map((party) => ({
    kind: 'quota',
    what: `${party === record ? 'its quota' : `the quota of ${shownName(party.containerId)}`} is used up: ${quotaWords(party)}`,
    remedy: `${isRenewed ? `wait until ${nextPeriod(party)}` : 'start the agent, without which no quota begins anew'}, or raise "quota" in its policy`,
    isAdvice: true,
  }));
}

function holderOf({ records, address }: Way): AttachmentRecord | undefined {
  return records.find((other) => addressesOf(other).includes(address));
}

/** Whose container a port of the host leads to. */
function publisherOf({ records, address, protocol, port }: Way): AttachmentRecord | undefined {
  const family = familyOf(address);
  return records.find((other) =>
    portsOf(other).some(
      (own) =>
        own.hostPort === port &&
        own.protocol === protocol &&
        own.families.includes(family) &&
        (own.hostIp === undefined || own.hostIp === address),
    ),
  );
}

function quotaWords({ egress }: AttachmentRecord): string {
  const { quota } = egress?.policy ?? {};
  return quota === undefined ? 'none' : `${byteWords(quota.bytes)} each ${quota.per}`;
}

/** By the clock of this host. The agent begins it within half a minute. */
function nextPeriod({ key, egress }: AttachmentRecord): string {
  const begun = rememberedUse().get(key)?.start ?? Date.now();
  return localTime(new Date(periodStart(egress?.policy.quota?.per ?? 'day', begun, 1)).toISOString());
}
