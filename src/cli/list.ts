import { describeBroken } from '../records/in-force.ts';
import { isDnsWayOut } from '../egress/dns-service.ts';
import { isAgentRunning } from '../repair/survey/agent.ts';
import { waitsForPolicy } from '../records/waiting.ts';
import { rememberedUse } from '../dataplane/quotas.ts';
import type { Invocation } from './command.ts';
import { readDenials } from '../repair/survey/denials.ts';
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
import { count, mappingWords, policyWords } from '../repair/survey/words.ts';
import { select, selectionOf, totalWords } from './list/select.ts';
import { bypassWords } from '../repair/survey/second-networks.ts';
import { openWords } from '../repair/survey/open-containers.ts';
import { readRefusedLookups, refusedLookupsOf, type RefusedLookup } from '../repair/survey/refused-names.ts';
import { readClosedNames } from '../repair/survey/open-names.ts';
import { printTable } from './table.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** Every attachment of the host: where it is, what it may do, and what is not as it should be. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const { attachments: all, broken } = await surveyAttachments();
  const denials = await readDenials(all.map(({ record }) => record));
  const attachments = select(all, selectionOf(invocation), denials);
  const lookups = await readRefusedLookups();
  const closed = await readClosedNames(attachments.flatMap(({ record }) => record.egress ?? []));
  for (const record of broken)
    terminal.note(`${terminal.paint.warn('!')} ${describeBroken(record)}; "drawbridge clean" removes it`);
  if (options['json'] === true)
    printJson(
      terminal,
      attachments.map((one) => describe(one, { denials, closed, lookups })),
    );
  else if (options['names'] === true)
    for (const name of new Set(attachments.map(({ record }) => shownName(record.containerId)))) terminal.out(name);
  else if (attachments.length === 0)
    terminal.out(all.length === 0 ? 'No container is attached.' : `No attachment matches, of ${all.length}.`);
  else if (options['wide'] === true) printWide(terminal, attachments, denials);
  else printGrouped(terminal, attachments, denials);
  if (options['json'] !== true && options['names'] !== true && attachments.length > 0) {
    printRefused(terminal, attachments, lookups);
    printClosed(terminal, attachments, closed);
    printBypasses(terminal, attachments);
    printOpen(terminal, attachments);
    await printDnsWayOut(terminal, attachments);
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
}

/** As conf/schema/list.json has it. */
function describe({ record, isAlive, findings }: Attachment, { denials, closed, lookups }: ListContext): object {
  const { network, containerId, ifname, netns, egress, state, createdAt } = record;
  const name = containerNames().get(containerId);
  return {
    network,
    containerId,
    name: name?.name ?? null,
    namespace: name?.namespace ?? null,
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
    denied: denials.get(record.key) ?? 0,
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
  printStale(terminal, attachments);
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
  printStale(terminal, attachments);
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

/** So many names are told one by one. */
const mostNamed = 3;

/** What DNS refused is a denial that no packet counts. */
function printRefused(
  { out, paint, width }: Terminal,
  attachments: readonly Attachment[],
  lookups: readonly RefusedLookup[],
): void {
  const notes = attachments.flatMap(({ record }) => {
    const own = refusedLookupsOf(record, lookups);
    if (own.length === 0) return [];
    const named = own.flatMap(({ name }) => (name === '' ? [] : [name]));
    const more = own.length - Math.min(named.length, mostNamed);
    const which = `${named.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    return [{ who: shownName(record.containerId), words: `DNS refused it ${which}` }];
  });
  if (notes.length > 0) out('');
  for (const note of gathered(notes)) out(`${paint.warn('!')} ${wrap(note, width - 2, '  ')}`);
}

function printClosed(
  { out, paint, width }: Terminal,
  attachments: readonly Attachment[],
  closed: ListContext['closed'],
): void {
  const notes = attachments.flatMap(({ record }) => {
    const names = closed.get(record.egress?.policyId ?? '') ?? [];
    if (names.length === 0) return [];
    const more = names.length - mostNamed;
    const which = `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}; "drawbridge refresh" resolves ${names.length === 1 ? 'it' : 'them'} again`;
    const words = `${count(names.length, 'name')} of its policy ${names.length === 1 ? 'opens' : 'open'} nothing now: ${which}`;
    return [{ who: shownName(record.containerId), words }];
  });
  if (notes.length > 0) out('');
  for (const note of gathered(notes)) out(`${paint.warn('!')} ${wrap(note, width - 2, '  ')}`);
}

/** So many containers are named before one note. */
const mostWho = 4;

/** Notes with equal words stand once, behind the names of all that they are about. */
function gathered(notes: readonly { readonly who: string; readonly words: string }[]): string[] {
  return [...Map.groupBy(notes, ({ words }) => words)].map(([words, own]) => {
    const who = [...new Set(own.map((note) => note.who))];
    const more = who.length - mostWho;
    return `${who.slice(0, mostWho).join(', ')}${more > 0 ? ` and ${more} more` : ''}: ${words}`;
  });
}

/** What a policy closes on one network is open by another one that has none. */
function printBypasses({ out, paint, width }: Terminal, attachments: readonly Attachment[]): void {
  const living = attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record);
  const notes = bypassWords(living).map(({ containerId, what }) => ({ who: shownName(containerId), words: what }));
  if (notes.length > 0) out('');
  for (const note of gathered(notes)) out(`${paint.warn('!')} ${wrap(note, width - 2, '  ')}`);
}

/** Open is a fact, not a fault; but nobody is to be open without a person who knows it. */
function printOpen({ out, paint, width }: Terminal, attachments: readonly Attachment[]): void {
  const words = openWords(attachments);
  if (words === undefined) return;
  out('');
  out(`${paint.warn('!')} ${wrap(words, width - 2, '  ')}`);
}

/** Whoever reads "none" takes it for nothing at all. */
async function printDnsWayOut({ out, paint, width }: Terminal, attachments: readonly Attachment[]): Promise<void> {
  const open = attachments.filter(({ record }) => record.egress !== undefined && isDnsWayOut(record.egress.policy));
  if (open.length === 0 || (await isAgentRunning())) return;
  const who = open.map(({ record }) => ({
    who: shownName(record.containerId),
    words: 'without the agent its DNS answers every name, and data leaves in them',
  }));
  out('');
  for (const note of gathered(who)) out(`${paint.warn('!')} ${wrap(note, width - 2, '  ')}`);
}

function printStale({ out, paint, width }: Terminal, attachments: readonly Attachment[]): void {
  const marked = attachments.filter(({ findings }) => findings.length > 0);
  if (marked.length === 0) return;
  out('');
  const notes = marked.flatMap(({ record, findings }) =>
    findings.map(({ what }) => ({ who: shownName(record.containerId), words: what })),
  );
  for (const note of gathered(notes)) out(`${paint.warn('!')} ${wrap(note, width - 2, '  ')}`);
  out(
    `  ${paint.faint(marked.some(({ isAlive }) => !isAlive) ? '"drawbridge clean" removes what no living container owns' : '"drawbridge doctor" says what to do')}`,
  );
}
