import { gateSysctl, planGate } from '../../egress/gate.ts';
import { gateMark } from '../../egress/layout.ts';
import { applyBatch, BatchError, showJson } from '../../host/ip.ts';
import { hasIpv6, writeSysctls } from '../../host/sysctl.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/** Puts back the routing rules that keep policed containers in while our tables are gone. Throws code 100. */
export async function repairGates(records: readonly AttachmentRecord[]): Promise<string[]> {
  const wanted = [...new Set(records.flatMap(({ egress }) => egress?.ingressInterface ?? []))];
  if (wanted.length === 0) return [];
  writeSysctls([gateSysctl]);
  const families = hasIpv6() ? (['-4', '-6'] as const) : (['-4'] as const);
  const missing = await Promise.all(
    families.map(async (family) => {
      const there = await gatedInterfaces(family);
      return wanted.filter((name) => !there.has(name)).map((name) => ({ family, name }));
    }),
  );
  const repaired: string[] = [];
  for (const { family, name } of missing.flat()) {
    try {
      await applyBatch(planGate(name), { family });
      repaired.push(`The routing gate of "${name}" for IPv${family.slice(1)} was missing`);
    } catch (error) {
      if (!(error instanceof BatchError && error.reason === 'exists')) throw error;
    }
  }
  return repaired;
}

async function gatedInterfaces(family: '-4' | '-6'): Promise<Set<string>> {
  const rules = (await showJson([family, 'rule', 'show'])) as ShownRule[] | undefined;
  const mask = `0x${gateMark.toString(16)}`;
  const gates = (rules ?? []).filter(({ action, fwmask }) => action === 'prohibit' && fwmask === mask);
  return new Set(gates.flatMap(({ iif }) => iif ?? []));
}

/** What `ip -json rule show` prints. */
interface ShownRule {
  readonly iif?: string;
  readonly fwmask?: string;
  readonly action?: string;
}
