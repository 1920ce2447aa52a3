import { listReadable } from '../../host/files.ts';
import { closeForeignFirewalls, openedBridges } from '../../host/firewall/foreign.ts';
import { parseListing } from '../../host/firewall/listing.ts';
import { readNote } from '../../host/firewall/note.ts';
import { findFirewalls } from '../../host/firewall/present.ts';
import { stateDir } from '../../host/paths.ts';
import { findProgram, run } from '../../host/run.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { ingressInterfacesOf } from '../../records/sections.ts';
import { listRecords } from '../../records/store.ts';
import type { Finding, RecordSurvey } from './finding.ts';
import { isUnclear } from './unclear.ts';

/**
 * Accepts of ours in foreign firewalls, bindings to firewalld's zone, and notes of them, for bridges without
 * containers. A record that cannot be read may be of any bridge.
 */
export async function findAccepts({ records, broken }: RecordSurvey): Promise<Finding[]> {
  if (await isUnclear({ records, broken })) return [];
  const used = bridgesOf(records);
  const accepted = await acceptedBridges();
  const zoned = listReadable(`${stateDir}/firewall`);
  const bridges = [...new Set([...openedBridges(), ...accepted, ...zoned])].filter((bridge) => !used.has(bridge));
  return bridges.toSorted().map((bridge) => {
    const note = readNote(bridge);
    const isOpen = accepted.has(bridge) || zoned.includes(bridge) || note?.opened === true || note?.zoned === true;
    return {
      kind: isOpen ? 'firewall' : 'note',
      name: bridge,
      why: isOpen
        ? `other firewalls of the host let "${bridge}" pass, which has no container`
        : `a note about other firewalls, for "${bridge}", which has no container`,
      remove: async () => {
        const stillUsed = (): boolean => bridgesOf(listRecords().records).has(bridge);
        if (stillUsed() || (await isUnclear())) return false;
        await closeForeignFirewalls(bridge, { stillUsed });
        return true;
      },
    };
  });
}

/** Every interface that some attachment may have opened a firewall for. */
function bridgesOf(records: readonly AttachmentRecord[]): Set<string> {
  return new Set(records.flatMap(ingressInterfacesOf));
}

/** Bridges that rules of ours in iptables name, by the comments of those rules. */
async function acceptedBridges(): Promise<Set<string>> {
  if (findProgram('nft') === undefined) return new Set();
  const { backends } = await findFirewalls();
  const listings = await Promise.all(
    backends.map(async ({ program }) => parseListing((await run(program, ['-w', '5', '-S'])).stdout)),
  );
  const comments = listings.flatMap(({ chains }) => [...chains.values()].flat()).map(({ comment }) => comment);
  return new Set(comments.flatMap((comment) => /^drawbridge: (\S+)$/.exec(comment ?? '')?.[1] ?? []));
}
