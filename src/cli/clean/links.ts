import { listLinks } from '../../host/interfaces.ts';
import { removeVeth } from '../../host/veth.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { allStandingParts, forgetGate, removePart } from '../../records/gates.ts';
import { mayBeAlive } from '../../records/alive.ts';
import { hostInterfaceOf } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords, type BrokenRecord } from '../../records/store.ts';
import type { Finding, RecordSurvey } from './finding.ts';

/** Host ends of veth pairs that are ours, by name and MAC, and that no record names. */
export function findInterfaces({ records, broken }: RecordSurvey): Finding[] {
  const isKnown = namedBy(records, broken);
  return listLinks()
    .filter(
      ({ name, mac, kind }) =>
        kind === 'veth' && /^veth[0-9a-f]{11}$/.test(name) && mac === hardwareAddressOf(name) && !isKnown(name),
    )
    .map(({ name, master }) => {
      const base = { kind: 'interface', name } as const;
      if (master !== undefined)
        return {
          ...base,
          why: `no record says whose it is, but it is on bridge "${master}": a container may still use it; its runtime's DEL removes it`,
        };
      return {
        ...base,
        why: 'no record says whose it is, and it is on no bridge',
        remove: async () => {
          const now = listRecords();
          if (namedBy(now.records, now.broken)(name)) return false;
          await removeVeth(name);
          return true;
        },
      };
    });
}

/** Routing rules that shut a bridge without rules of ours, for bridges that have no enforced container. */
export async function findGates({ records, unclear }: RecordSurvey): Promise<Finding[]> {
  if (unclear.length > 0) return [];
  const enforced = enforcedInterfaces(records);
  const parts = await allStandingParts();
  return parts
    .filter((part) => !enforced.has(part.interface))
    .map((part) => ({
      kind: 'gate',
      name: `${part.interface} (${part.kind})`,
      why: `no container with a policy is behind "${part.interface}"`,
      remove: async () => {
        const now = listRecords();
        if (now.broken.some(mayBeAlive) || enforcedInterfaces(now.records).has(part.interface)) return false;
        forgetGate(part.interface);
        await removePart(part);
        return true;
      },
    }));
}

function enforcedInterfaces(records: readonly AttachmentRecord[]): Set<string> {
  return new Set(
    records.flatMap(({ egress, link }) => [
      ...(egress === undefined ? [] : [egress.ingressInterface]),
      ...(link?.enforced === true ? [link.bridge] : []),
    ]),
  );
}

/** A record that cannot be read still tells by its name which interface is its own. */
function namedBy(records: readonly AttachmentRecord[], broken: readonly BrokenRecord[]): (name: string) => boolean {
  const names = new Set([
    ...records.flatMap(({ link, egress }) => [link?.hostInterface, egress?.port]),
    ...broken.map(({ key }) => hostInterfaceOf(key)),
  ]);
  return (name) => names.has(name);
}
