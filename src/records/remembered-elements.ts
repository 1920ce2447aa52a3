import { namesElement } from '../dataplane/elements/egress.ts';
import { openAddresses, type KnownName } from '../egress/names-lifetimes.ts';
import type { OpenName } from '../egress/names-open.ts';
import { recallName } from '../egress/names-store.ts';
import { uptime } from '../host/uptime.ts';
import type { Element } from '../nft/element.ts';
import type { AttachmentRecord, EgressRecord } from './record.ts';

/** What the names of a policy open, as expiring elements that all containers under the policy share. */
export function namesElements(
  { policy, policyId }: EgressRecord,
  opened: readonly Pick<OpenName, 'name' | 'addresses'>[],
): Element[] {
  return opened.flatMap(({ name, addresses }) => {
    const rules = policy.names.filter((rule) => rule.name === name);
    return rules.flatMap((rule) =>
      addresses.map(({ address, seconds }) => namesElement(policyId, address, rule, seconds, name)),
    );
  });
}

/**
 * What the names of a record's policy have open, from what is remembered of them: asks no resolver, so that
 * rules can be written anew at any time. `recall` is for who has it in memory. Wildcards open what containers asked
 * for: the agent knows.
 */
export async function rememberedElements(
  { egress }: AttachmentRecord,
  recall: (name: string, servers: readonly string[]) => Promise<KnownName | undefined> = recallName,
): Promise<Element[]> {
  if (egress === undefined) return [];
  const { policy } = egress;
  const names = [...new Set(policy.names.map(({ name }) => name))].filter((name) => !name.startsWith('*.'));
  const known = await Promise.all(names.map(async (name) => recall(name, policy.dns.upstream)));
  const now = uptime();
  const opened = known.flatMap((one) =>
    one === undefined
      ? []
      : [
          {
            name: one.name,
            addresses: openAddresses(one, { now, refreshIntervalMinutes: policy.refreshIntervalMinutes }),
          },
        ],
  );
  return namesElements(egress, opened);
}
