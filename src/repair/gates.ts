import { gateSysctl, type GatedInterface } from '../dataplane/gate.ts';
import { masterOf } from '../host/bridge-ports.ts';
import { withLock } from '../host/lock.ts';
import { writeSysctls } from '../host/sysctl.ts';
import { describePart } from '../dataplane/gate-parts.ts';
import { missingParts, restoreGates } from '../dataplane/gates.ts';
import { gatedInterfaces } from '../records/gated-interfaces.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { listRecords } from '../records/store.ts';
import { gatesKey } from './resource-key.ts';
import type { Scope } from './change-event.ts';

/**
 * Puts back what keeps enforced containers in while our tables are gone: at the interfaces that are named, at bridges
 * that a named port has joined, at all of them when a routing rule or a filter went. Throws code 100, and 11 when the
 * lock of the tables is not to be had.
 */
export async function repairGates(records: readonly AttachmentRecord[], scope: Scope = 'all'): Promise<string[]> {
  const named = scope === 'all' || scope.has(gatesKey) ? undefined : new Set([...scope, ...[...scope].map(masterOf)]);
  const among = (known: readonly AttachmentRecord[]): GatedInterface[] =>
    gatedInterfaces(known).filter(({ name }) => named?.has(name) ?? true);
  const gated = among(records);
  if (gated.length === 0) return [];
  writeSysctls([gateSysctl]);
  if ((await missingParts(gated)).length === 0) return [];
  // A DEL takes a gate before it takes the record: under its lock the records say who still needs one.
  const made = await withLock('tables', 'repair of gates', async () => restoreGates(among(listRecords().records)));
  return made.map((part) => `Made ${describePart(part)} again`);
}
