import { withLock } from '../../host/lock.ts';
import { applyTransaction } from '../../host/nft.ts';
import { runDir } from '../../host/paths.ts';
import { findProgram } from '../../host/run.ts';
import { desired } from '../../nft/desired.ts';
import { groupMark } from '../../nft/layout.ts';
import { removalText } from '../../nft/transaction.ts';
import type { TableName } from '../../nft/element.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords } from '../../records/store.ts';
import { readTable, type HeldElement, type HeldTable } from '../../host/held-tables.ts';
import { once, type Finding } from './finding.ts';
import { areRecordsElsewhere, isUnclear } from './strays.ts';

/**
 * Sets whose elements follow from records alone. Others hold what is constant, what is counted, or what ends by itself.
 */
const fromRecords =
  /^(?:bridges|published[46](?:_at)?|(?:containers|hairpin|masquerade|egress|host|ingress|gateways|siblings|denials|enforced_hosts)[46]|enforced|enforced_pairs|enforced_ports|guard_ports|guard_mac_ports|guard_mac|guard4|guard6|guard_nd|guard_isolated|ingress_bridges|ingress_within|ingress_isolated)$/;

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
    ...orphans.elements.map(({ table, set, element }): Finding => ({
      kind: 'element',
      name: `${set} { ${element.parts.join(' . ')}${element.value === undefined ? '' : ` : ${element.value}`} }`,
      why: `no attachment wants it in table "${table}"`,
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
  readonly elements: readonly { readonly table: TableName; readonly set: string; readonly element: HeldElement }[];
  /** Ids of policies. */
  readonly groups: ReadonlySet<string>;
  /** Names of sets that mark policies. */
  readonly marks: readonly string[];
}

async function readTables(): Promise<HeldTable[]> {
  const held = await Promise.all((['inet drawbridge', 'bridge drawbridge'] as const).map(readTable));
  return held.filter((table) => table !== undefined);
}

function orphansOf(held: readonly HeldTable[], records: readonly AttachmentRecord[]): Orphans {
  const claims = records.map(desired);
  const wanted = new Set(
    claims.flatMap(({ elements }) => elements).map(({ table, set, key }) => `${table} ${set} ${plain(key)}`),
  );
  const groups = new Set(claims.flatMap((claim) => claim.groups).map(({ id }) => id));
  const marks = new Set([...groups].map(groupMark));
  const names = held.flatMap(({ chains, sets }) => [...chains, ...sets.keys()]);
  return {
    elements: held.flatMap(({ table, sets }) =>
      [...sets].flatMap(([set, elements]) =>
        fromRecords.test(set)
          ? elements
              .filter(
                ({ parts, expires }) =>
                  expires === undefined && !wanted.has(`${table} ${set} ${parts.join(' ').toLowerCase()}`),
              )
              .map((element) => ({ table, set, element }))
          : [],
      ),
    ),
    groups: new Set(
      names.flatMap((name) => /^policy_([0-9a-f]{16})(?:_|$)/.exec(name)?.[1] ?? []).filter((id) => !groups.has(id)),
    ),
    marks: names.filter((name) => /^group_[0-9a-f]{16}$/.test(name) && !marks.has(name)),
  };
}

/** `"drawbridge0" . 10.88.0.2` as the parts of a held element are joined. */
function plain(key: string): string {
  return key.split(' . ').join(' ').replaceAll('"', '').toLowerCase();
}

/** One transaction, under the lock under which records and tables change: what is wanted by now stays. */
async function removeOrphans(): Promise<boolean> {
  return withLock('tables', 'clean', async () => {
    const held = await readTables();
    const { records, broken } = listRecords();
    if (await isUnclear({ records, broken })) return false;
    const { elements, groups, marks } = orphansOf(held, records);
    const names = held.flatMap(({ table, chains, sets }) => ({ table, chains, sets: [...sets.keys()] }));
    const isOrphaned = (name: string): boolean => groups.has(/^policy_([0-9a-f]{16})(?:_|$)/.exec(name)?.[1] ?? '');
    const lines = [
      ...elements.map(
        ({ table, set, element }) => `delete element ${table} ${set} { ${element.parts.map(quoted).join(' . ')} }`,
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

/** Names of interfaces are quoted; addresses, MACs, numbers and protocols are not. */
function quoted(part: string): string {
  return /^(?:[\d.]+|[0-9a-f]*:[0-9a-f:.]+|0x[0-9a-f]+|tcp|udp|sctp)$/i.test(part) ? part : `"${part}"`;
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
      return (await applyTransaction(removalText())) === 'committed';
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
