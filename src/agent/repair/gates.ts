import { gateSysctl } from '../../egress/gate.ts';
import { writeSysctls } from '../../host/sysctl.ts';
import { describePart, gatedInterfaces, makePart, missingParts } from '../../records/gates.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { gatesKey } from '../watch/ip-event.ts';
import type { Scope } from '../watch/change-event.ts';

/**
 * Puts back what keeps enforced containers in while our tables are gone: at the interfaces that are named, at all of them when
 * a routing rule or a filter went. Throws code 100.
 */
export async function repairGates(records: readonly AttachmentRecord[], scope: Scope = 'all'): Promise<string[]> {
  const isNamed = (name: string): boolean => scope === 'all' || scope.has(gatesKey) || scope.has(name);
  const gated = gatedInterfaces(records).filter(({ name }) => isNamed(name));
  if (gated.length === 0) return [];
  writeSysctls([gateSysctl]);
  const repaired: string[] = [];
  for (const part of await missingParts(gated)) {
    if ((await makePart(part)) === undefined) repaired.push(`Made ${describePart(part)} again`);
  }
  return repaired;
}
