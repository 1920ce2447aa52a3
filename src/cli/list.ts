import { describeBroken } from '../records/in-force.ts';
import { waitsForPolicy } from '../records/waiting.ts';
import { rememberedUse } from '../dataplane/quotas.ts';
import type { Invocation } from './command.ts';
import { readDenials } from '../repair/survey/denials.ts';
import { readMetBounds, type BoundReport } from '../repair/survey/met-bounds.ts';
import { surveyAttachments, type Attachment } from '../repair/survey/attachments.ts';
import { containerNames, shownName } from '../repair/survey/container-names.ts';
import {
  addressesOf,
  guestOf,
  hostInterfacesOf,
  ingressInterfaceOf,
  isRouted,
  macOf,
  portsOf,
  prefixesOf,
} from '../records/sections.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { grantsLeft } from '../repair/survey/grants.ts';
import { count, mappingWords, policyWords } from '../repair/survey/words.ts';
import { showAgain } from './list/again.ts';
import { printFootnotes } from './list/footnotes.ts';
import { formatOf, printValue, type ListFormat } from './list/format.ts';
import { select, selectionOf, totalWords } from './list/select.ts';
import { readRefusedLookups, refusedLookupsOf, type RefusedLookup } from '../repair/survey/refused-names.ts';
import { readClosedNames } from '../repair/survey/open-names.ts';
import { printTable } from './table.ts';
import type { Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** Every attachment of the host: where it is, what it may do, and what is not as it should be. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const format = formatOf(invocation);
  return showAgain(invocation, format, terminal, async (shown) => show(invocation, format, shown));
}

async function show(invocation: Invocation, format: ListFormat, terminal: Terminal): Promise<number> {
  const { attachments: all, broken } = await surveyAttachments();
  const denials = await readDenials(all.map(({ record }) => record));
  const attachments = select(all, selectionOf(invocation), denials);
  const lookups = await readRefusedLookups();
  const met = await readMetBounds(all.map(({ record }) => record));
  const closed = await readClosedNames(attachments.flatMap(({ record }) => record.egress ?? []));
  for (const record of broken)
    terminal.note(`${terminal.paint.warn('!')} ${describeBroken(record)}; "drawbridge clean" removes it`);
  if (format === 'json' || format === 'yaml') {
    const described = attachments.map((one) => describe(one, { denials, closed, lookups, met }));
    await printValue(terminal, described, format);
  } else if (format === 'name')
    for (const name of new Set(attachments.map(({ record }) => shownName(record.containerId)))) terminal.out(name);
  else if (attachments.length === 0)
    terminal.out(all.length === 0 ? 'No container is attached.' : `No attachment matches, of ${all.length}.`);
  else {
    if (format === 'wide') printWide(terminal, attachments, denials);
    else printGrouped(terminal, attachments, denials);
    await printFootnotes(terminal, attachments, { closed, lookups, met });
    terminal.out('');
    terminal.out(wrap(totalWords(attachments, denials), terminal.width));
  }
  return 0;
}

/** What is known beside the records. */
interface ListContext {
  readonly denials: ReadonlyMap<string, number>;
  /** By the policy's id. */
  readonly closed: ReadonlyMap<string, readonly string[]>;
  readonly lookups: readonly RefusedLookup[];
  /** By the record's key. */
  readonly met: ReadonlyMap<string, readonly BoundReport[]>;
}

/** As conf/schema/list.json has it. */
function describe({ record, isAlive, findings }: Attachment, { denials, closed, lookups, met }: ListContext): object {
  const { network, containerId, ifname, netns, egress, state, createdAt } = record;
  const name = containerNames().get(containerId);
  return {
    network,
    containerId,
    name: name?.name ?? null,
    namespace: name?.namespace ?? null,
    labels: record.labels ?? {},
    ifname,
    netns,
    hostInterface: hostInterfacesOf(record)[0] ?? null,
    bridge: ingressInterfaceOf(record) ?? null,
    mac: macOf(record) ?? null,
    ips: prefixesOf(record),
    ports: portsOf(record).map(({ hostIp, hostPort, containerPort, protocol }) => ({
      ...(hostIp === undefined ? {} : { hostIp }),
      hostPort,
      containerPort,
      protocol,
    })),
    policy: egress === undefined ? null : policyWords(egress),
    policyName: egress?.policyName ?? null,
    mode: egress?.policy.mode ?? null,
    closedNames: closed.get(egress?.policyId ?? '') ?? [],
    ...(egress?.policy.quota === undefined
      ? {}
      : { quota: { ...egress.policy.quota, used: rememberedUse().get(record.key)?.bytes ?? 0 } }),
    grants: grantsLeft(record),
    denied: denials.get(record.key) ?? 0,
    boundsMet: (met.get(record.key) ?? []).map(({ bound, packets, ago }) => ({
      bound: bound.name,
      packets,
      secondsAgo: Math.round(ago),
    })),
    refusedNames: refusedLookupsOf(record, lookups).map(({ name, count: times }) => ({ name, count: times })),
    state,
    alive: isAlive,
    stale: findings.map(({ what }) => what),
    createdAt,
    guest: guestOf(record) ?? null,
  };
}

/** What a container's line says; one line for each further address or port. */
function printGrouped(
  terminal: Terminal,
  attachments: readonly Attachment[],
  denials: ReadonlyMap<string, number>,
): void {
  const { out, paint } = terminal;
  const networks = Map.groupBy(attachments, ({ record }) => record.network);
  for (const [network, own] of networks) {
    if (network !== [...networks.keys()][0]) out('');
    const places = [...new Set(own.flatMap(({ record }) => placesOf(record)))];
    const where = places.length === 0 ? '' : `on ${places.join(', ')}, `;
    out(`${paint.strong(network)} ${paint.faint(`${where}${count(own.length, 'attachment')}`)}`);
    const severalInterfaces = own.some(({ record }) => record.ifname !== 'eth0');
    const columns = [
      { title: 'CONTAINER', narrowest: 12 },
      ...(severalInterfaces ? [{ title: 'IFNAME' }] : []),
      { title: 'ADDRESS', narrowest: 15 },
      { title: 'PORTS', narrowest: 12 },
      { title: 'POLICY', narrowest: 12 },
      { title: 'DENIED', align: 'right' as const },
    ];
    const rows = own.map(({ record, findings }) => {
      const { egress } = record;
      const name = `${shownName(record.containerId)}${findings.length === 0 ? '' : ` ${paint.warn('!')}`}`;
      return [
        name,
        ...(severalInterfaces ? [record.ifname] : []),
        addressesOf(record).join('\n'),
        portsOf(record).map(mappingWords).join('\n'),
        egress === undefined
          ? paint.warn(waitsForPolicy(record) ? 'awaited' : 'none')
          : `${policyWords(egress)}${quotaWords(record, terminal)}`,
        egress === undefined ? '-' : deniedWords(denials.get(record.key) ?? 0, terminal),
      ];
    });
    printTable(terminal, columns, rows);
  }
}

/** The bridge; for a limit of before 0.2.0 the interface that has it is all that is known. */
function placesOf(record: AttachmentRecord): string[] {
  if (isRouted(record)) return ['routes of the host'];
  const bridge = ingressInterfaceOf(record);
  return bridge === undefined ? hostInterfacesOf(record) : [bridge];
}

function printWide(terminal: Terminal, attachments: readonly Attachment[], denials: ReadonlyMap<string, number>): void {
  const titles = [
    'NETWORK',
    'CONTAINER',
    'IFNAME',
    'ADDRESS',
    'MAC',
    'BRIDGE',
    'HOST INTERFACE',
    'PORTS',
    'POLICY',
    'DENIED',
    'SINCE',
    'NAMESPACE',
  ];
  const rows = attachments.map(({ record, findings }) => {
    const { network, containerId, ifname, egress, createdAt, netns } = record;
    return [
      network,
      `${containerId}${findings.length === 0 ? '' : ` ${terminal.paint.warn('!')}`}`,
      ifname,
      addressesOf(record).join(' '),
      macOf(record) ?? '-',
      ingressInterfaceOf(record) ?? '-',
      hostInterfacesOf(record)[0] ?? '-',
      portsOf(record).map(mappingWords).join(' ') || '-',
      waitsForPolicy(record) ? 'awaited' : policyWords(egress),
      egress === undefined ? '-' : String(denials.get(record.key) ?? 0),
      createdAt.replace(/\.\d+Z$/, 'Z'),
      netns,
    ];
  });
  printTable(
    { ...terminal, width: Infinity },
    titles.map((title) => ({ title, ...(title === 'DENIED' ? { align: 'right' as const } : {}) })),
    rows,
  );
}

/** How much of its quota is used, by what the agent saw last. */
function quotaWords({ egress, key }: AttachmentRecord, { paint }: Terminal): string {
  const { quota } = egress?.policy ?? {};
  if (quota === undefined) return '';
  const percent = Math.floor((100 * (rememberedUse().get(key)?.bytes ?? 0)) / quota.bytes);
  return `, ${(percent < 100 ? paint.faint : paint.warn)(`quota ${percent} %`)}`;
}

function deniedWords(packets: number, { paint }: Terminal): string {
  return packets === 0 ? '0' : paint.warn(String(packets));
}
