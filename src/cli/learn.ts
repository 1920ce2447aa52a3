import { setTimeout as sleep } from 'node:timers/promises';
import { CniError, codes } from '../cni/errors.ts';
import { policyNotices } from '../egress/describe.ts';
import { parsePolicy } from '../egress/parse.ts';
import type { Policy } from '../egress/policy.ts';
import { judge } from '../egress/judge.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { listRecords } from '../records/store.ts';
import { readFlows } from '../flows/read.ts';
import { valueOf, type Invocation } from './command.ts';
import { parseSince } from './duration.ts';
import { learnPolicy, type LearntPolicy, type WantedDestination } from './learn/entries.ts';
import { askAgent } from '../host/agent-socket.ts';
import { readDenied, type Denial } from '../repair/survey/denials.ts';
import { findAttachments } from '../repair/survey/find.ts';
import { readKnownNames } from '../repair/survey/known-names.ts';
import { readRefusedLookups, refusedLookupsOf } from '../repair/survey/refused-names.ts';
import { surroundingsOf } from '../repair/survey/surroundings.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { addressesOf } from '../records/sections.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';
import { secondsOf } from './watch.ts';

/** Milliseconds between two looks; the kernel forgets a denial after ten minutes. */
const pause = 1000;

/** Turns what a container was denied, or would have been under audit, into the smallest policy that allows it. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const {
    operands: [asked = ''],
    options,
  } = invocation;
  const { records } = listRecords();
  const record = findAttachments(asked, records).find(({ egress }) => egress !== undefined);
  const policy = record?.egress?.policy;
  if (record === undefined || policy === undefined)
    throw new CniError(
      codes.unknownContainer,
      `Cannot learn from container "${asked}": it has no policy`,
      'Give its network an "egress-policy" with "mode": "allowlist", "preset": "none" and "audit": true',
    );
  if (!policy.audit)
    terminal.note(
      `${terminal.paint.warn('!')} ${wrap('"audit" is off: what was denied is seen, but not what the container would have done after that. With "audit": true it runs on.', terminal.width - 2, '  ')}`,
    );
  const time = valueOf(invocation, 'for');
  const since = valueOf(invocation, 'since');
  const recorded = await readRecorded(record, since === undefined ? undefined : parseSince(since));
  const denied = distinct([...recorded.denied, ...(await collect(record, time === undefined ? 0 : secondsOf(time)))]);
  const names = withNames(await readKnownNames(), recorded.names);
  const learnt = learnPolicy(policy, wantedOf(denied, { record, records, policy, names }));
  const lookups = refusedLookupsOf(record, await readRefusedLookups()).flatMap(({ name }) =>
    name === '' ? [] : [name],
  );
  const next = {
    ...learnt,
    notices: [...lookupNotices(lookups), ...policyNotices(parsePolicy(learnt.policy, ''))],
    lookups,
  };
  if (options['json'] === true) printJson(terminal, { ...next, destinations: denied.length });
  else print(record, denied.length, next, terminal);
  return 0;
}

interface RecordedDenials {
  readonly denied: readonly Denial[];
  /** (address, name): what the container was told. */
  readonly names: readonly (readonly [string, string])[];
}

/** What the agent recorded of a container, for as long as it keeps it. Names that were refused lead to no address. */
async function readRecorded(
  { containerId, network }: AttachmentRecord,
  since: number | undefined,
): Promise<RecordedDenials> {
  await askAgent('flows');
  const own = await readFlows({
    ...(since === undefined ? {} : { since }),
    isWanted: (flow) =>
      flow.container === containerId &&
      flow.network === network &&
      flow.verdict !== 'allow' &&
      flow.direction !== 'ingress' &&
      flow.protocol !== 'dns',
  });
  return {
    denied: own.map(({ source, destination, protocol, port, count: packets }) => ({
      source,
      destination,
      protocol,
      ...(port === undefined ? {} : { port }),
      packets,
    })),
    names: own.flatMap(({ destination, name }) => (name === undefined ? [] : [[destination, name] as const])),
  };
}

function distinct(denied: readonly Denial[]): Denial[] {
  return [...new Map(denied.map((one) => [`${one.destination} ${one.protocol} ${one.port ?? ''}`, one])).values()];
}

/** What a record of the container says comes first: another may have been told another name for the address. */
function withNames(
  known: ReadonlyMap<string, readonly string[]>,
  recorded: RecordedDenials['names'],
): Map<string, readonly string[]> {
  const names = new Map(known);
  for (const [address, name] of recorded) names.set(address, [...new Set([name, ...(names.get(address) ?? [])])]);
  return names;
}

/** At which port a name would have been used nobody has seen: its lookup was the end. */
function lookupNotices(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, 8).join(', ');
  const more = names.length > 8 ? ` and ${names.length - 8} more` : '';
  return [`DNS refused ${shown}${more}: under "audit": true they are answered, and what is done with them is learnt`];
}

/** What the kernel remembers of the last ten minutes, and what comes in the time that is given. */
async function collect(record: AttachmentRecord, seconds: number): Promise<Denial[]> {
  const own = new Set(addressesOf(record));
  const found = new Map<string, Denial>();
  const end = performance.now() + seconds * 1000;
  for (;;) {
    for (const one of await readDenied())
      if (own.has(one.source)) found.set(`${one.destination} ${one.protocol} ${one.port ?? ''}`, one);
    const left = end - performance.now();
    if (left <= 0) return [...found.values()];
    await sleep(Math.min(pause, left));
  }
}

function wantedOf(
  denied: readonly Denial[],
  {
    record,
    records,
    policy,
    names,
  }: {
    record: AttachmentRecord;
    records: readonly AttachmentRecord[];
    policy: Policy;
    names: ReadonlyMap<string, readonly string[]>;
  },
): WantedDestination[] {
  const surroundings = surroundingsOf(record, records);
  return denied.flatMap(({ destination, protocol, port }) => {
    const own = { destination, protocol, ...(port === undefined ? {} : { port }), names: names.get(destination) ?? [] };
    const verdict = judge(
      { ...policy, audit: false },
      { address: destination, protocol, ...(port === undefined ? {} : { port }), names: [] },
      surroundings,
    );
    // Who has an address is asked inside a bridge alone: once the sibling is gone, there is nothing to allow.
    const isLeft = (protocol === 'arp' || protocol === 'ndp') && !verdict.rule.startsWith('isolation');
    return verdict.verdict === 'allow' || isLeft ? [] : [{ ...own, verdict }];
  });
}

function print(
  { containerId }: AttachmentRecord,
  destinations: number,
  { policy, unnamed, refused, notices }: LearntPolicy & { readonly notices: readonly string[] },
  { out, note, paint, width }: Terminal,
): void {
  note(
    paint.faint(
      `# from ${count(destinations, 'destination')} that ${shownName(containerId)} asked for; save it as /etc/drawbridge/policies/NAME.json`,
    ),
  );
  out(JSON.stringify(policy, null, 2));
  const tell = (text: string): void => note(`${paint.warn('!')} ${wrap(text, width - 2, '  ')}`);
  if (unnamed.length > 0)
    tell(
      `No DNS answer named ${unnamed.join(', ')}: ${unnamed.length === 1 ? 'it stands' : 'they stand'} there as ${unnamed.length === 1 ? 'an address' : 'addresses'}, which may belong to another host tomorrow.`,
    );
  for (const { destination, why } of refused) tell(`${destination} stays closed: ${why}.`);
  for (const notice of notices) tell(notice);
}
