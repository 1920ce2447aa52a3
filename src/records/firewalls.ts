import {
  closeForeignFirewalls,
  inspectForeignFirewalls,
  openForeignFirewalls,
  type OpenOptions,
} from '../host/firewall/foreign.ts';
import { readNote } from '../host/firewall/note.ts';
import { enforcedUse } from '../dataplane/elements/egress.ts';
import { bridgeUse } from '../dataplane/elements/masquerade.ts';
import type { AttachmentRecord } from './record.ts';
import { openedInterfacesOf } from './sections.ts';
import { sharedByOthers } from './index-files.ts';
import { warn } from '../cni/warn.ts';

/** Opens what foreign firewalls would close to a bridge, and tells of what stays closed. */
export async function openFirewalls(bridge: string, options?: OpenOptions): Promise<void> {
  const warnings = await openForeignFirewalls(bridge, options);
  for (const { message, remedy } of warnings) warn(`${message}; ${remedy}`);
}

/** Takes our accepts out of foreign firewalls with the bridge's last container. */
export async function closeFirewalls(bridge: string, key: string): Promise<void> {
  // Behind an interface that is not ours there may be others with a policy and nothing else of ours.
  const stillUsed = (): boolean => [bridgeUse(bridge), enforcedUse(bridge)].some((use) => sharedByOthers(use, key));
  if (!stillUsed()) await closeForeignFirewalls(bridge, { stillUsed });
}

/**
 * Names what foreign firewalls drop of an attachment although we opened them. A host where there was nothing to open
 * costs one look into a file.
 */
export async function differencesOfFirewalls(record: AttachmentRecord): Promise<string[]> {
  return (await Promise.all(openedInterfacesOf(record).map(checkFirewalls))).flat();
}

async function checkFirewalls(bridge: string): Promise<string[]> {
  if (readNote(bridge)?.opened !== true) return [];
  const findings = await inspectForeignFirewalls(bridge);
  return findings
    .filter(({ state }) => state === 'closed')
    .map(
      ({ firewall, blocker, remedy }) => `${firewall} drops the traffic of "${bridge}": ${blocker} (${remedy.trim()})`,
    );
}
