import { gateSysctl } from '../../egress/gate.ts';
import { writeSysctls } from '../../host/sysctl.ts';
import { describePart, gatedInterfaces, makePart, missingParts } from '../../records/gates.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/** Puts back what keeps policed containers in while our tables are gone. Throws code 100. */
export async function repairGates(records: readonly AttachmentRecord[]): Promise<string[]> {
  const gated = gatedInterfaces(records);
  if (gated.length === 0) return [];
  writeSysctls([gateSysctl]);
  const repaired: string[] = [];
  for (const part of await missingParts(gated)) {
    if ((await makePart(part)) === undefined) repaired.push(`Made ${describePart(part)} again`);
  }
  return repaired;
}
