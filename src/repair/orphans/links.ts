import { isCommon, type GatePart } from '../../dataplane/gate.ts';
import { findLink } from '../../host/interfaces.ts';
import { removeVeth } from '../../host/veth.ts';
import { allStandingParts, removePart } from '../../dataplane/gate-parts.ts';
import { forgetGate } from '../../dataplane/gates.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { enforcedInterfacesOf } from '../../records/sections.ts';
import { listRecords } from '../../records/store.ts';
import { findStrays, isConnected } from '../../records/strays.ts';
import type { Finding, RecordSurvey } from './finding.ts';
import { isUnclear } from './unclear.ts';

/** Host ends of veth pairs that are ours and that no record names. */
export function findInterfaces(known: RecordSurvey): Finding[] {
  return findStrays(known).map((stray) => {
    const { name, master } = stray;
    const base = { kind: 'interface', name } as const;
    if (isConnected(stray))
      return {
        ...base,
        why: `no record says whose it is, but ${master === undefined ? 'the host routes to it' : `it is on bridge "${master}"`}: a container may still use it; its runtime's DEL removes it`,
      };
    return {
      ...base,
      why: 'no record says whose it is, and it is on no bridge',
      remove: async () => {
        if (!findStrays(listRecords()).some((stray) => stray.name === name)) return false;
        await removeVeth(name);
        return true;
      },
    };
  });
}

/** Routing rules that shut a bridge without rules of ours, for bridges that have no enforced container. */
export async function findGates({ records, broken }: RecordSurvey): Promise<Finding[]> {
  if (await isUnclear({ records, broken })) return [];
  const enforced = enforcedInterfaces(records);
  const parts = await allStandingParts();
  return parts
    .filter((part) => !isNeeded(part, enforced))
    .map((part) => ({
      kind: 'gate',
      name: `${part.interface} (${part.kind})`,
      why: isCommon(part)
        ? 'no container with a policy is behind a veth of its own'
        : `no container with a policy is behind "${part.interface}"`,
      remove: async () => {
        const now = listRecords();
        if ((await isUnclear(now)) || isNeeded(part, enforcedInterfaces(now.records))) return false;
        forgetGate(part.interface);
        await removePart(part);
        return true;
      },
    }));
}

/** What all lone veths have in common is needed as long as one of them is enforced. */
function isNeeded(part: GatePart, enforced: ReadonlySet<string>): boolean {
  if (!isCommon(part)) return enforced.has(part.interface);
  return [...enforced].some((name) => findLink(name)?.kind !== 'bridge');
}

function enforcedInterfaces(records: readonly AttachmentRecord[]): Set<string> {
  return new Set(records.flatMap(enforcedInterfacesOf));
}
