import { namesSet } from '../../egress/policy-names.ts';
import type { NameRule } from '../../egress/policy.ts';
import type { EgressRecord } from '../../records/record.ts';
import { readSet } from '../../host/held-tables.ts';

/** An address that the kernel lets the containers of a policy reach because a name resolved to it. */
export interface OpenAddress {
  readonly address: string;
  readonly name: string;
  /** Seconds until it closes; absent when it stays open. */
  readonly seconds?: number;
}

/** Everything that the names of a policy have open now, as the kernel has it. */
export async function readOpenNames({ policy, policyId }: EgressRecord): Promise<OpenAddress[]> {
  const kinds = new Map<string, NameRule>(policy.names.map((rule) => [namesSet(policyId, 4, rule), rule]));
  const names = [...kinds.values()].flatMap((rule) =>
    ([4, 6] as const).map((family) => namesSet(policyId, family, rule)),
  );
  const sets = await Promise.all(names.map(async (name) => readSet(name)));
  const open = sets
    .flatMap((set) => set ?? [])
    .map(({ parts, comment, expires }) => ({
      address: parts[0] ?? '',
      name: comment ?? '',
      ...(expires === undefined ? {} : { seconds: expires }),
    }));
  return [...new Map(open.map((one) => [`${one.name} ${one.address}`, one])).values()];
}

/**
 * Names of each policy, by its id, that open nothing now: they did not resolve, or ran out. Of wildcards the agent
 * knows.
 */
export async function readClosedNames(policies: readonly EgressRecord[]): Promise<Map<string, readonly string[]>> {
  const distinct = new Map(policies.map((egress) => [egress.policyId, egress]));
  const entries = [...distinct].map(async ([id, egress]) => {
    const named = new Set(egress.policy.names.map(({ name }) => name).filter((name) => !name.startsWith('*.')));
    if (named.size > 0) for (const { name } of await readOpenNames(egress)) named.delete(name);
    return [id, [...named].toSorted()] as const;
  });
  return new Map(await Promise.all(entries));
}
