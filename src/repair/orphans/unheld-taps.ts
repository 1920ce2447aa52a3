import { findLink } from '../../host/interfaces.ts';
import { isUnheldTap } from '../../links/tap.ts';
import { holdAttachment, isSameAdd } from '../../records/attachment-lock.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { hostInterfacesOf, hostTapOf } from '../../records/sections.ts';
import { readSoundRecord } from '../../records/store.ts';
import type { Finding } from './finding.ts';
import { removeRecorded } from './records.ts';

/**
 * Guests whose tap no process holds now, and whose records say that they may go for that. Nothing tells since when:
 * whoever removes them has to have looked for as long as a VM may take to begin.
 */
export function findUnheldTaps(records: readonly AttachmentRecord[]): Finding[] {
  return records.flatMap((record) => {
    const tap = ephemeralTapOf(record);
    const uses = tap === undefined ? undefined : usesOfUnheld(tap);
    if (tap === undefined || uses === undefined) return [];
    const { network, containerId, ifname } = record;
    return {
      kind: 'attachment',
      name: `${containerId}/${ifname}`,
      network,
      containerId,
      why: `no process holds its tap "${tap}"`,
      uses,
      remove: async () =>
        holdAttachment(record, 'clean', async () => {
          const now = readSoundRecord(record.key);
          if (now === undefined) return true;
          if (!isSameAdd(now, record) || usesOfUnheld(tap) !== uses) return false;
          await removeRecorded(now);
          return true;
        }),
    };
  });
}

function ephemeralTapOf(record: AttachmentRecord): string | undefined {
  const isReady = record.state === 'ready' && record.unfinished !== true;
  return isReady && hostTapOf(record)?.ephemeral === true ? hostInterfacesOf(record)[0] : undefined;
}

/** How often its carrier changed so far; undefined when a process holds it, and when that cannot be told. */
function usesOfUnheld(tap: string): number | undefined {
  try {
    const found = findLink(tap);
    return found !== undefined && isUnheldTap(found) ? (found.carrierChanges ?? 0) : undefined;
  } catch {
    return undefined;
  }
}
