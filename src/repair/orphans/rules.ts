import { withLock } from '../../host/lock.ts';
import { applyTransaction } from '../../host/nft.ts';
import { runDir } from '../../host/paths.ts';
import { findProgram } from '../../host/run.ts';
import { desired } from '../../records/desired.ts';
import { podClaim } from '../../records/pod-policies.ts';
import { declaredSet } from '../../dataplane/catalogue.ts';
import { heldKey } from '../../dataplane/held-key.ts';
import type { SetDeclaration } from '../../nft/declaration.ts';
import { groupMark, isGroupMark } from '../../dataplane/layout.ts';
import { readPolicyName } from '../../egress/policy-names.ts';
import { isPolicyId } from '../../egress/policy-id.ts';
import { removeTables } from '../../dataplane/commit.ts';
import { dataText, plainText, tableNames, type Part, type TableName } from '../../nft/element.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords } from '../../records/store.ts';
import { readTable, type HeldElement, type HeldTable } from '../../host/held-tables.ts';
import { once, type Finding } from './finding.ts';
import { areRecordsElsewhere, isUnclear } from './unclear.ts';

/**
 * Elements that no record wants, chains and sets of policies that nobody is under, and tables on a host without
 * records. Beside containers that no record tells of, nobody can say whose an element is.
 */
export async function findRules(): Promise<Finding[]> {
  if (findProgram('nft') === undefined) return [];
  const held = await readTables();
  // After the tables: an attachment that came in between is known then.
  const { records, broken } = listRecords();
  if (held.length === 0) return traceTables();
  if (await isUnclear({ records, broken })) return [...unclearTables(held), ...(await traceTables())];
  if (records.length === 0) return [...(broken.length === 0 ? wholeTables(held) : []), ...(await traceTables())];
  const orphans = orphansOf(held, records);
  const remove = once(removeOrphans);
  return [
    ...orphans.elements.map(({ set, element }): Finding => ({
      kind: 'element',
      name: `${set.name} { ${element.parts.join(' . ')}${element.value === undefined ? '' : ` : ${element.value}`} }`,
      why: `no attachment wants it in table "${set.table}"`,
      remove,
    })),
    ...[...orphans.groups].map((id): Finding => ({
      kind: 'policy',
      name: `policy_${id}`,
      why: 'no attachment is under this policy',
      remove,
    })),
    ...(await traceTables()),
  ];
}

interface Orphans {
  readonly elements: readonly { readonly set: SetDeclaration; readonly element: HeldElement }[];
  /** Ids of policies. */
  readonly groups: ReadonlySet<string>;
  /** Names of sets that mark policies. */
  readonly marks: readonly string[];
}

async function readTables(): Promise<HeldTable[]> {
  const held = await Promise.all(tableNames.map(readTable));
  return held.filter((table) => table !== undefined);
}

function orphansOf(held: readonly HeldTable[], records: readonly AttachmentRecord[]): Orphans {
  const claims = [...records.map(desired), ...podClaim()];
  const wanted = new Set(
    claims.flatMap(({ elements }) => elements).map(({ table, set, key }) => `${table} ${set} ${plain(key)}`),
  );
  const groups = new Set(claims.flatMap((claim) => claim.groups).map(({ id }) => id));
  const marks = new Set([...groups].map(groupMark));
  const names = held.flatMap(({ chains, sets }) => [...chains, ...sets.keys()]);
  return {
    elements: held.flatMap(({ table, sets }) =>
      [...sets].flatMap(([name, elements]) => {
        const set = declaredSet(table, name);
        if (set === undefined || !isJudged(set)) return [];
        const isNobodys = ({ parts, expires }: HeldElement): boolean =>
          expires === undefined && !wanted.has(`${table} ${name} ${plain(parts)}`);
        return elements.filter(isNobodys).map((element) => ({ set, element }));
      }),
    ),
    groups: new Set(names.flatMap((name) => policyOf(name) ?? []).filter((id) => !groups.has(id))),
    marks: names.filter((name) => isGroupMark(name) && !marks.has(name)),
  };
}

/**
 * Others hold what is constant, what is counted, or what somebody puts while containers run. Ranges are listed in other
 * words than they were written in.
 */
function isJudged({ filledBy, flags = [] }: SetDeclaration): boolean {
  return filledBy === 'record' && !flags.includes('interval');
}

/** The policy that a chain or a set is of; another name of that kind is an operator's. */
function policyOf(name: string): string | undefined {
  const id = readPolicyName(name)?.id;
  return id !== undefined && isPolicyId(id) ? id : undefined;
}

/** One text for a key that we made and for one that nft listed. */
function plain(key: readonly Part[]): string {
  return key.map(plainText).join(' ').toLowerCase();
}

/** One transaction, under the lock under which records and tables change: what is wanted by now stays. */
async function removeOrphans(): Promise<boolean> {
  return withLock('tables', 'clean', async () => {
    const held = await readTables();
    const { records, broken } = listRecords();
    if (await isUnclear({ records, broken })) return false;
    const { elements, groups, marks } = orphansOf(held, records);
    const names = held.flatMap(({ table, chains, sets }) => ({ table, chains, sets: [...sets.keys()] }));
    const isOrphaned = (name: string): boolean => groups.has(policyOf(name) ?? '');
    const lines = [
      ...elements.map(
        ({ set, element }) => `delete element ${set.table} ${set.name} { ${dataText(heldKey(set, element.parts))} }`,
      ),
      ...names.flatMap(({ table, chains }) =>
        chains.filter(isOrphaned).map((chain) => `flush chain ${table} ${chain}`),
      ),
      ...names.flatMap(({ table, chains }) =>
        chains.filter(isOrphaned).map((chain) => `delete chain ${table} ${chain}`),
      ),
      ...names.flatMap(({ table, sets }) => sets.filter(isOrphaned).map((set) => `delete set ${table} ${set}`)),
      ...marks.map((mark) => `delete set inet drawbridge ${mark}`),
    ];
    return lines.length === 0 || (await applyTransaction(`${lines.join('\n')}\n`)) === 'committed';
  });
}

/** Said where no record stands for them at all; else the record or the interface that is unclear is found already. */
function unclearTables(held: readonly HeldTable[]): Finding[] {
  if (!areRecordsElsewhere()) return [];
  return held.map(({ table }) => ({
    kind: 'table',
    name: table,
    why: `the records of its containers are not in "${runDir}" of this root: they may be alive; run "drawbridge" where their runtime does`,
  }));
}

function wholeTables(held: readonly HeldTable[]): Finding[] {
  const remove = once(async () =>
    withLock('tables', 'clean', async () => {
      const { records, broken } = listRecords();
      if (records.length + broken.length > 0 || (await isUnclear({ records, broken }))) return false;
      await removeTables();
      return true;
    }),
  );
  return held.map(({ table }) => ({ kind: 'table', name: table, why: 'no container is attached', remove }));
}

/** Left by an `explain --trace` that was killed. */
async function traceTables(): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const family of ['inet', 'bridge'] as const) {
    const table = `${family} drawbridge_trace`;
    if ((await readTable(table as TableName)) === undefined) continue;
    found.push({
      kind: 'table',
      name: table,
      why: 'a trace that was cut short left it',
      remove: async () => (await applyTransaction(`delete table ${table}\n`)) === 'committed',
    });
  }
  return found;
}
