import { misplacedLoopback, setLoopback } from '../records/loopback.ts';
import type { AttachmentRecord } from '../records/record.ts';
import type { Scope } from './change-event.ts';

/** Turns `route_localnet` on again where a published port needs it. Returns a sentence for each interface. */
export function repairLoopback(records: readonly AttachmentRecord[], scope: Scope = 'all'): string[] {
  const { missing } = misplacedLoopback(records, []);
  const named = missing.filter((name) => scope === 'all' || scope.has(name));
  for (const name of named) setLoopback(name, '1');
  return named.map((name) => `"route_localnet" of "${name}" was off`);
}
