import { CniError, codes } from '../cni/errors.ts';
import { parseEntry } from '../egress/entry.ts';
import { beyondBounds, makeGrant, policyAt, usualBounds, withoutGrants } from '../egress/grants.ts';
import type { Grant } from '../egress/policy.ts';
import { hostNetworks } from '../dataplane/on-link.ts';
import { askAgent } from '../host/agent-socket.ts';
import { uptime } from '../host/uptime.ts';
import { isEnforced, type EnforcedRecord } from '../plugins/egress-policy/enforce.ts';
import { refresh } from '../plugins/egress-policy/refresh.ts';
import { listRecords } from '../records/store.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { findAttachments } from '../repair/survey/find.ts';
import { grantsLeft } from '../repair/survey/grants.ts';
import { durationWords } from '../repair/survey/words.ts';
import { valueOf, type Invocation } from './command.ts';
import { parseDuration } from './duration.ts';
import { entryText } from './policy/entries.ts';
import { printJson, type Terminal } from './terminal.ts';

/** Milliseconds that an agent may take to put a grant in force, its names resolved. */
const patience = 30_000;

/** Lets a container reach a destination on top of its policy, for a time. */
export async function allow(invocation: Invocation, terminal: Terminal): Promise<number> {
  const [container = '', destination = ''] = invocation.operands;
  const milliseconds = parseDuration(valueOf(invocation, 'for') ?? '1h', '--for');
  const records = enforcedOf(container);
  const onLink = hostNetworks();
  const now = uptime();
  const grants = new Map(
    records.map((record) => {
      const { policy } = record.egress;
      const grant = makeGrant(destination, policy, { key: record.key, endsAt: now + milliseconds, onLink });
      const all = [...liveOf(record, now).filter(({ id }) => id !== grant.id), grant];
      refuseBeyond(record, all, { destination, milliseconds });
      return [record.key, all] as const;
    }),
  );
  await put(grants);
  tell(records, invocation, terminal);
  return 0;
}

/** Takes back what a container was granted: one destination, or all. */
export async function revoke(invocation: Invocation, terminal: Terminal): Promise<number> {
  const [container = '', destination] = invocation.operands;
  const records = enforcedOf(container);
  const now = uptime();
  const entry =
    destination === undefined
      ? undefined
      : entryText(parseEntry(destination, { key: 'grant', path: 'DESTINATION' }).rule);
  const isMeant = ({ rule }: Grant): boolean => entry === undefined || entryText(rule) === entry;
  const held = records.filter((record) => liveOf(record, now).some(isMeant));
  if (held.length === 0)
    throw new CniError(
      codes.invalidConfig,
      `Cannot revoke ${destination === undefined ? 'anything' : `"${destination}"`}: it is not granted to "${container}"`,
      grantWords(records),
    );
  await put(
    new Map(held.map((record) => [record.key, liveOf(record, now).filter((grant) => !isMeant(grant))] as const)),
  );
  tell(records, invocation, terminal);
  return 0;
}

function enforcedOf(container: string): EnforcedRecord[] {
  const found = findAttachments(container, listRecords().records);
  const enforced = found.filter(isEnforced).filter(({ state }) => state === 'ready');
  if (enforced.length > 0) return enforced;
  throw new CniError(
    codes.invalidConfig,
    `Cannot grant anything to "${container}": it has no policy`,
    'Nothing keeps it from any destination; "drawbridge list" shows which containers have one',
  );
}

function liveOf({ egress }: EnforcedRecord, now: number): readonly Grant[] {
  return policyAt(egress.policy, now).grants ?? [];
}

function refuseBeyond(
  { egress, containerId }: EnforcedRecord,
  grants: readonly Grant[],
  { destination, milliseconds }: { destination: string; milliseconds: number },
): void {
  const policy = withoutGrants(egress.policy);
  const most = policy.maxGrants?.milliseconds ?? usualBounds.milliseconds;
  const why =
    milliseconds > most ? `"maxGrants" lets a grant last ${durationWords(most / 1000)}` : beyondBounds(policy, grants);
  if (why === undefined) return;
  throw new CniError(
    codes.invalidConfig,
    `Cannot grant "${destination}" to "${shownName(containerId)}" for ${durationWords(milliseconds / 1000)}: ${why}`,
    'The policy says how far grants may go: "maxGrants"',
  );
}

/** The agent does it where one runs: it knows what wildcards have open, and which names connections asked for. */
async function put(grants: ReadonlyMap<string, readonly Grant[]>): Promise<void> {
  const answer = (await askAgent('grant', patience, { grants: [...grants] })) as
    | { problems?: readonly string[] }
    | undefined;
  const problems = answer?.problems ?? (await refresh({ grants })).problems;
  const { records } = listRecords();
  for (const [key, wanted] of grants) {
    const now = records.find((record) => record.key === key)?.egress?.policy.grants ?? [];
    if (
      JSON.stringify(now.map(({ id, endsAt }) => [id, endsAt])) ===
      JSON.stringify(wanted.map(({ id, endsAt }) => [id, endsAt]))
    )
      continue;
    throw new CniError(
      codes.internal,
      `Cannot put in force what is granted: ${problems[0] ?? 'the container is gone, or its policy changed meanwhile'}`,
      problems.slice(1).join('; '),
    );
  }
}

/** What the container is granted now. */
function tell(records: readonly EnforcedRecord[], { options }: Invocation, terminal: Terminal): void {
  const keys = new Set(records.map(({ key }) => key));
  const now = listRecords().records.filter(({ key }) => keys.has(key));
  if (options['json'] === true)
    printJson(
      terminal,
      now.map((record) => ({
        network: record.network,
        containerId: record.containerId,
        ifname: record.ifname,
        grants: grantsLeft(record),
      })),
    );
  else for (const record of now) terminal.out(grantWords([record]));
}

function grantWords(records: readonly Parameters<typeof grantsLeft>[0][]): string {
  const left = records.flatMap(grantsLeft);
  if (left.length === 0) return 'It is granted nothing beside its policy.';
  return `Beside its policy it may reach ${left.map(({ entry, seconds }) => `${entry} for ${durationWords(seconds)}`).join(', ')}.`;
}
