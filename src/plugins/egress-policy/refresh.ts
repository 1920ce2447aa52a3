import { CniError } from '../../cni/errors.ts';
import { loadPolicy } from '../../egress/load-policy.ts';
import { checksNames } from '../../egress/checked-names.ts';
import { openNames, type OpenName } from '../../egress/names-open.ts';
import { policyId } from '../../egress/policy-id.ts';
import { withGrants } from '../../egress/grants.ts';
import type { Grant, Policy } from '../../egress/policy.ts';
import { uptime } from '../../host/uptime.ts';
import { requalifyElements } from '../../dataplane/elements/requalify.ts';
import type { Element } from '../../nft/element.ts';
import { commitAll, putExpiring } from '../../records/commit-all.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords, type RecordList } from '../../records/store.ts';
import { alignWithPolicies, isEnforced, type EnforcedRecord } from './enforce.ts';
import { namesElements, rememberedElements } from '../../records/remembered-elements.ts';
import { canEndFlows } from '../../host/conntrack.ts';
import { putQueueRule } from '../../host/queue-rule.ts';
import { withoutQueue } from './policy.ts';
import { forgetDeniedFlows, type NamedConnection } from './revoke.ts';

export interface RefreshOptions {
  /** Ask the resolver also about names whose last answer has not run out. */
  readonly force?: boolean;
  /** False: ask no resolver, and open what is remembered of names. The agent asks in its own time. */
  readonly resolve?: boolean;
  /** Reads all records; for who has read most of them before. */
  readonly list?: () => RecordList;
  /** What names have open without asking a resolver; for who has it in memory. */
  readonly remembered?: (record: AttachmentRecord) => Promise<readonly Element[]>;
  /** Further expiring elements to put when the tables are written anew, by the records as they are then. */
  readonly also?: (records: readonly AttachmentRecord[]) => readonly Element[];
  /** What attachments are granted from now on, by their keys, in place of what they were granted before. */
  readonly grants?: ReadonlyMap<string, readonly Grant[]>;
  /** Connections whose first bytes asked for a name, and for which; without it none is known, and they end. */
  readonly checked?: () => Promise<readonly NamedConnection[]>;
}

export interface RefreshReport {
  /** Attachments that came under another policy, by the change of its file. */
  readonly changed: readonly {
    readonly containerId: string;
    readonly ifname: string;
    readonly network: string;
    readonly policyName: string;
  }[];
  readonly names: readonly OpenName[];
  /** Connections that were ended because the policy no longer allows them. */
  readonly ended: number;
  /** Sentences: a file that is not valid (its old policy stays in force), a name that does not resolve. */
  readonly problems: readonly string[];
  /** Names of policies whose file cannot be used. */
  readonly invalid: readonly string[];
}

/**
 * Reads the named policies again and applies what changed to all containers under them, in one transaction; asks
 * for the addresses of all names again. Connections that were established under a changed policy qualify again.
 *
 * An invalid file keeps its old policy in force. Throws code 100 when the rules cannot be written: then nothing
 * changed.
 */
export async function refresh({
  force = false,
  resolve = true,
  list = listRecords,
  remembered = rememberedElements,
  also,
  grants = new Map(),
  checked,
}: RefreshOptions = {}): Promise<RefreshReport> {
  const enforced = list()
    .records.filter(isEnforced)
    .filter(({ state }) => state === 'ready');
  const { changed, problems, invalid } = await reread(enforced, grants);
  const byKey = new Map(changed.map((record) => [record.key, record]));
  const current = enforced.map((record) => byKey.get(record.key) ?? record);
  const names = resolve ? await resolveAll(current, force) : new Map<string, readonly OpenName[]>();
  const filled = resolve ? filledBy(current, names) : await recallAll(current, remembered);
  const all = [...names.values()].flat();
  const report = { names: all, problems: [...problems, ...all.flatMap((name) => name.problems)], invalid };
  if (changed.length === 0) {
    if (resolve) await putExpiring(filled);
    return { ...report, changed: [], ended: 0 };
  }
  // Where nothing can end what is denied, those connections are judged packet by packet for as long as they last.
  const canEnd = await canEndFlows();
  const again = changed.flatMap((record) => (canEnd ? requalifyElements(record) : requalifyForEver(record)));
  await commitAll(changed, { filled, list, also: [...again, ...(also?.(current) ?? [])] });
  await alignWithPolicies(changed);
  const ended = await forgetDeniedFlows(changed, list().records, (await checked?.()) ?? []);
  return {
    ...report,
    ended,
    changed: changed.map(({ containerId, ifname, network, egress }) => ({
      containerId,
      ifname,
      network,
      policyName: egress.policyName ?? '',
    })),
  };
}

function requalifyForEver(record: AttachmentRecord): Element[] {
  return requalifyElements(record).map(({ table, set, key }) => ({ table, set, key }));
}

/**
 * Records whose named policy says something else than it did, or that are granted something else, with what holds now.
 */
async function reread(
  enforced: readonly EnforcedRecord[],
  grants: ReadonlyMap<string, readonly Grant[]>,
): Promise<{ changed: EnforcedRecord[]; problems: string[]; invalid: string[] }> {
  const problems: string[] = [];
  const invalid: string[] = [];
  const policies = new Map<string, Policy>();
  const now = uptime();
  const onLink = hostNetworks();
  for (const name of new Set(enforced.flatMap(({ egress }) => egress.policyName ?? []))) {
    try {
      const policy = await loadPolicy(name, { onLink });
      if (checksNames(policy) && (await putQueueRule()) === undefined) throw withoutQueue();
      policies.set(name, policy);
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      problems.push(`${error.message}; the policy as it was stays in force`);
      invalid.push(name);
    }
  }
  const changed = enforced.flatMap((record) => {
    const { policy: before, policyName = '' } = record.egress;
    const granted = grants.get(record.key) ?? before.grants ?? [];
    const own = policies.get(policyName);
    if (own === undefined && granted.length + (before.grants?.length ?? 0) === 0) return [];
    const policy = withGrants(own ?? before, granted, now);
    if (textOf(policy) === textOf(before)) return [];
    return [{ ...record, egress: { ...record.egress, policy, policyId: policyId(policy) } }];
  });
  return { changed, problems, invalid };
}

const texts = new WeakMap<Policy, string>();

/** Records that were read together share a policy that is the same. */
function textOf(policy: Policy): string {
  const text = texts.get(policy) ?? JSON.stringify(policy);
  texts.set(policy, text);
  return text;
}

/** What the names of each policy have open, by the policy's id. */
function filledBy(
  records: readonly EnforcedRecord[],
  names: ReadonlyMap<string, readonly OpenName[]>,
): Map<string, readonly Element[]> {
  return new Map(
    records.map(({ egress }) => [egress.policyId, namesElements(egress, names.get(egress.policyId) ?? [])]),
  );
}

/** As {@link filledBy}, from what is remembered. Containers under one policy share what its names open. */
async function recallAll(
  records: readonly EnforcedRecord[],
  remembered: (record: AttachmentRecord) => Promise<readonly Element[]>,
): Promise<Map<string, readonly Element[]>> {
  const policies = new Map(records.map((record) => [record.egress.policyId, record]));
  const recalled = [...policies].map(async ([id, record]) => [id, await remembered(record)] as const);
  return new Map(await Promise.all(recalled));
}

/** Names of each distinct policy, by its id. */
async function resolveAll(
  records: readonly EnforcedRecord[],
  force: boolean,
): Promise<Map<string, readonly OpenName[]>> {
  const policies = new Map(records.map(({ egress }) => [egress.policyId, egress.policy]));
  const opened = new Map<string, readonly OpenName[]>();
  // One after the other: policies share names, and what one has just asked for the next finds remembered.
  for (const [id, policy] of policies) opened.set(id, await openNames(policy, { force: force && opened.size === 0 }));
  return opened;
}
