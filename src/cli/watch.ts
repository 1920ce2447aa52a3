import { setTimeout as sleep } from 'node:timers/promises';
import { readFlows } from '../flows/read.ts';
import { hostText } from '../ip/host-text.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { listRecords } from '../records/store.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { verdictOf } from '../repair/survey/verdict.ts';
import { askAgent } from '../host/agent-socket.ts';
import { followAgent } from '../repair/survey/agent.ts';
import type { FlowRecord } from '../flows/flow-record.ts';
import { readDenied, type Denial } from '../repair/survey/denials.ts';
import { findAttachments } from '../repair/survey/find.ts';
import { readKnownNames } from '../repair/survey/known-names.ts';
import { readRefusedLookups, type RefusedLookup } from '../repair/survey/refused-names.ts';
import { surroundingsOf } from '../repair/survey/surroundings.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { addressesOf } from '../records/sections.ts';
import type { Terminal } from './terminal.ts';

/** Milliseconds between two looks: a person sees it at once, and nft costs little. */
const pause = 500;

/** Shows denials as they happen, until it is interrupted or the time is over. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const asked = valueOf(invocation, 'container');
  const end = performance.now() + secondsOf(valueOf(invocation, 'for')) * 1000;
  if (asked !== undefined) findAttachments(asked, listRecords().records);
  let before = countsOf(await readDenied());
  for (const event of await latest(asked)) show(event, options['json'] === true, terminal);
  let refusedBefore = lookupCountsOf(await readRefusedLookups());
  if (options['json'] !== true) terminal.note(terminal.paint.faint('Watching; Ctrl-C ends it.'));
  const stop = new AbortController();
  const isWanted = (record: AttachmentRecord | undefined): boolean =>
    asked === undefined || (record !== undefined && isAsked(asked, record));
  const following = followAgent(
    'follow',
    (flow) => {
      const told = refusedByName(flow as FlowRecord);
      const record = listRecords().records.find(({ containerId }) => containerId === told?.containerId);
      if (told !== undefined && isWanted(record)) show(told, options['json'] === true, terminal);
    },
    stop.signal,
  );
  while (performance.now() < end) {
    await sleep(Math.min(pause, Math.max(0, end - performance.now())));
    const denied = await readDenied();
    const { records } = listRecords();
    const names = await readKnownNames();
    for (const one of denied) {
      const packets = one.packets - Math.min(before.get(keyOf(one)) ?? 0, one.packets);
      const record =
        packets === 0 ? undefined : records.find((candidate) => addressesOf(candidate).includes(one.source));
      if (packets === 0 || !isWanted(record)) continue;
      show(eventOf({ ...one, packets }, record, { records, names }), options['json'] === true, terminal);
    }
    before = countsOf(denied);
    const lookups = await readRefusedLookups();
    for (const one of lookups) {
      const times = one.count - Math.min(refusedBefore.get(lookupKeyOf(one)) ?? 0, one.count);
      const record = records.find((candidate) => addressesOf(candidate).includes(one.source));
      if (times === 0 || !isWanted(record)) continue;
      show(lookupEventOf({ ...one, count: times }, record), options['json'] === true, terminal);
    }
    refusedBefore = lookupCountsOf(lookups);
  }
  stop.abort();
  await following;
  return 0;
}

/** Records that are shown first. */
const mostLatest = 20;

/** What the agent recorded last of packets that were denied; nothing where there never was one. */
async function latest(asked: string | undefined): Promise<Event[]> {
  await askAgent('flows');
  const records = listRecords().records;
  const own = new Set(asked === undefined ? [] : findAttachments(asked, records).map(({ containerId }) => containerId));
  const flows = await readFlows({
    last: mostLatest,
    isWanted: ({ container, direction, protocol, verdict }) =>
      verdict !== 'allow' &&
      direction !== 'ingress' &&
      protocol !== 'dns' &&
      (asked === undefined || own.has(container)),
  });
  return flows.map(({ time, container, network, source, destination, protocol, port, name, count, rule, ...rest }) => ({
    time,
    containerId: container,
    network,
    source,
    destination,
    protocol,
    port: port ?? null,
    names: name === undefined ? [] : [name],
    packets: count,
    rule,
    reason: rest.reason,
    audited: rest.verdict === 'audit',
  }));
}

/** Infinity without a text. Throws {@link UsageError} for what is no number of seconds. */
export function secondsOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new UsageError(`Cannot wait for "${text}" seconds: a number above 0 is expected`);
}

/** As conf/schema/watch.json has it: one on each line. */
interface Event {
  readonly time: string;
  readonly containerId: string | null;
  readonly network: string | null;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly port: number | null;
  readonly names: readonly string[];
  readonly packets: number;
  readonly rule: string | null;
  readonly reason: string | null;
  readonly audited: boolean;
}

/** What no rule of the kernel denies: a connection that asks for another name. The agent tells of these. */
function refusedByName(flow: FlowRecord): Event | undefined {
  const { time, verdict, protocol, rule, reason, until } = flow;
  if (verdict === 'allow' || until !== undefined || rule !== 'verifyNames') return undefined;
  return {
    time,
    containerId: flow.container,
    network: flow.network,
    source: flow.source,
    destination: flow.destination,
    protocol,
    port: flow.port ?? null,
    names: flow.name === undefined ? [] : [flow.name],
    packets: flow.count,
    rule,
    reason,
    audited: verdict === 'audit',
  };
}

function eventOf(
  { source, destination, protocol, port, packets }: Denial,
  record: AttachmentRecord | undefined,
  { records, names }: { records: readonly AttachmentRecord[]; names: ReadonlyMap<string, string[]> },
): Event {
  const asked = {
    host: destination,
    isName: false,
    protocol: protocol as 'tcp',
    ...(port === undefined ? {} : { port }),
  };
  const verdict =
    record === undefined
      ? undefined
      : verdictOf(destination, asked, { record, surroundings: surroundingsOf(record, records), open: [] });
  return {
    time: new Date().toISOString(),
    containerId: record?.containerId ?? null,
    network: record?.network ?? null,
    source,
    destination,
    protocol,
    port: port ?? null,
    names: names.get(destination) ?? [],
    packets,
    rule: verdict?.rule ?? null,
    reason: verdict?.reason ?? null,
    audited: record?.egress?.policy.audit ?? false,
  };
}

/** A refused name is a denial too: what it stands for was never asked for. */
function lookupEventOf({ source, name, why, count }: RefusedLookup, record: AttachmentRecord | undefined): Event {
  return {
    time: new Date().toISOString(),
    containerId: record?.containerId ?? null,
    network: record?.network ?? null,
    source,
    destination: name === '' ? 'further names' : name,
    protocol: 'dns',
    port: 53,
    names: name === '' ? [] : [name],
    packets: count,
    rule: record?.egress === undefined ? null : `mode "${record.egress.policy.mode}"`,
    reason: `its lookup is refused: ${why}`,
    audited: false,
  };
}

function show(event: Event, isJson: boolean, { out, paint }: Terminal): void {
  if (isJson) return out(JSON.stringify(event));
  const { time, containerId, source, destination, protocol, port, names, packets, rule, audited } = event;
  const isLookup = protocol === 'dns';
  const where = isLookup
    ? `${destination}/dns`
    : `${hostText(destination)}${port === null ? '' : `:${port}`}/${protocol}`;
  const known = names.length === 0 || isLookup ? '' : ` ${paint.link(`(${names.join(', ')})`)}`;
  const times = packets === 1 ? '' : ` x${packets}`;
  out(
    `${paint.faint(time.slice(11, 19))}  ${paint.strong(shownName(containerId ?? source))}  ${where}${known}${times}  ${audited ? paint.warn('would be denied') : paint.bad('denied')}${rule === null ? '' : ` by ${rule}`}`,
  );
}

function countsOf(denied: readonly Denial[]): Map<string, number> {
  return new Map(denied.map((one) => [keyOf(one), one.packets]));
}

function lookupCountsOf(lookups: readonly RefusedLookup[]): Map<string, number> {
  return new Map(lookups.map((one) => [lookupKeyOf(one), one.count]));
}

function lookupKeyOf({ source, name }: RefusedLookup): string {
  return `${source} ${name}`;
}

function keyOf({ source, destination, protocol, port }: Denial): string {
  return `${source} ${destination} ${protocol} ${port ?? ''}`;
}

function isAsked(asked: string, record: AttachmentRecord): boolean {
  try {
    return findAttachments(asked, [record]).length > 0;
  } catch {
    return false;
  }
}
