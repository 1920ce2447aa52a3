import { gateSysctl } from '../dataplane/gate.ts';
import { masterOf } from '../host/bridge-ports.ts';
import { writeSysctls } from '../host/sysctl.ts';
import { describePart } from '../dataplane/gate-parts.ts';
import { restoreGates } from '../dataplane/gates.ts';
import { gatedInterfaces } from '../records/gated-interfaces.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { gatesKey } from './resource-key.ts';
import type { Scope } from './change-event.ts';

/**
 * Puts back what keeps enforced containers in while our tables are gone: at the interfaces that are named, at bridges
 * that a named port has joined, at all of them when a routing rule or a filter went. Throws code 100.
 */
export async function repairGates(records: readonly AttachmentRecord[], scope: Scope = 'all'): Promise<string[]> {
  const named = scope === 'all' || scope.has(gatesKey) ? undefined : new Set([...scope, ...[...scope].map(masterOf)]);
  const gated = gatedInterfaces(records).filter(({ name }) => named?.has(name) ?? true);
  if (gated.length === 0) return [];
  writeSysctls([gateSysctl]);
  return (await restoreGates(gated)).map((part) => `Made ${describePart(part)} again`);
}
