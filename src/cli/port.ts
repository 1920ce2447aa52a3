import { CniError, codes } from '../cni/errors.ts';
import { endFlowsToPort, forgetUdpFlows } from '../host/conntrack.ts';
import { findListeners } from '../host/listeners.ts';
import { familyOf } from '../ip/family.ts';
import { addressOf } from '../ip/prefix.ts';
import { describeMapping, overlaps, type PortMapping } from '../ports/mapping.ts';
import { commit } from '../records/commit.ts';
import type { AttachmentRecord, LinkRecord } from '../records/record.ts';
import { listRecords } from '../records/store.ts';
import type { Invocation } from './command.ts';
import { parseMapping } from './mapping.ts';
import { findAttachments } from '../repair/survey/find.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { closeLoopback, openLoopback } from '../records/loopback.ts';
import { loopbackInterfacesOf, portsOf } from '../records/sections.ts';
import { mappingWords } from '../repair/survey/words.ts';
import { printTable } from './table.ts';
import { printJson, type Terminal } from './terminal.ts';

type LinkedRecord = AttachmentRecord & { readonly link: LinkRecord };

/**
 * `port add`: publishes a port of the host for a container that runs. It stays until `port remove`, or the container's
 * end.
 */
export async function add(invocation: Invocation, terminal: Terminal): Promise<number> {
  return change(invocation, terminal, 'add');
}

/** `port remove`: takes a published port back, whoever published it. */
export async function remove(invocation: Invocation, terminal: Terminal): Promise<number> {
  return change(invocation, terminal, 'remove');
}

/** `port list`: every published port, by port, with the container that it leads to. */
export async function list({ options }: Invocation, terminal: Terminal): Promise<number> {
  const all = listRecords()
    .records.flatMap((record) => portsOf(record).map((mapping) => ({ record, mapping })))
    .toSorted((one, other) => one.mapping.hostPort - other.mapping.hostPort);
  if (options['json'] === true)
    printJson(
      terminal,
      all.map(
        ({ record: { network, containerId, ifname }, mapping: { hostIp, hostPort, containerPort, protocol } }) => ({
          network,
          containerId,
          ifname,
          hostIp: hostIp ?? null,
          hostPort,
          containerPort,
          protocol,
        }),
      ),
    );
  else if (all.length === 0) terminal.out('No port is published.');
  else
    printTable(
      terminal,
      [{ title: 'PORT' }, { title: 'CONTAINER', narrowest: 12 }, { title: 'NETWORK', narrowest: 10 }],
      all.map(({ record, mapping }) => [mappingWords(mapping), shownName(record.containerId), record.network]),
    );
  return 0;
}

async function change(
  { operands: [container = '', text = ''], options }: Invocation,
  terminal: Terminal,
  verb: 'add' | 'remove',
): Promise<number> {
  const mapping = parseMapping(text);
  const record = findLinked(container);
  const ports = verb === 'add' ? withPort(record, mapping) : withoutPort(record, mapping);
  const next: LinkedRecord = { ...record, link: { ...record.link, ports } };
  const { warnings } = await commit(
    { put: next },
    { replaces: record, refuse: (found) => refuseChanged(found, record) },
  );
  openLoopback(next);
  const needed = loopbackInterfacesOf(next);
  for (const name of loopbackInterfacesOf(record)) if (!needed.includes(name)) closeLoopback(name, record.key);
  const udp = [...ports, ...record.link.ports].filter(({ protocol }) => protocol === 'udp');
  const ended = await endFlows(
    record,
    record.link.ports.filter((port) => !ports.includes(port)),
  );
  for (const warning of [...warnings, ...(await forgetUdpFlows(udp)), ...ended])
    terminal.note(`${terminal.paint.warn('!')} ${warning}`);
  if (verb === 'add') {
    for (const { protocol, port, process: owner } of await findListeners([mapping]))
      terminal.note(
        `${terminal.paint.warn('!')} ${owner ?? 'a process'} listens on port ${port}/${protocol} of the host; its traffic now goes to the container`,
      );
  }
  const { network, containerId, ifname } = record;
  if (options['json'] === true)
    printJson(terminal, {
      network,
      containerId,
      ifname,
      ports: ports.map(({ hostIp, hostPort, containerPort, protocol }) => ({
        ...(hostIp === undefined ? {} : { hostIp }),
        hostPort,
        containerPort,
        protocol,
      })),
    });
  else
    terminal.out(
      verb === 'add'
        ? `${mappingWords(mapping)} leads to ${shownName(containerId)}.`
        : `${shownName(containerId)} is no longer reached at ${text}.`,
    );
  return 0;
}

/** The kernel remembers where a published port led for as long as a connection lasts. Returns warnings. */
async function endFlows({ link }: LinkedRecord, gone: readonly PortMapping[]): Promise<string[]> {
  const addresses = link.addresses.map(({ address }) => addressOf(address));
  const warnings = await Promise.all(gone.map(async (port) => endFlowsToPort(port, addresses)));
  return warnings.flat();
}

function findLinked(asked: string): LinkedRecord {
  const found = findAttachments(asked, listRecords().records);
  const linked = found.find((record): record is LinkedRecord => record.link !== undefined && record.state === 'ready');
  if (linked !== undefined) return linked;
  throw new CniError(
    codes.conflict,
    `Cannot change the ports of container "${asked}": its interface was made by another plugin`,
    'Publish its ports where that interface is configured',
  );
}

function withPort({ link, containerId }: LinkedRecord, mapping: PortMapping): PortMapping[] {
  const twin = link.ports.find((port) => overlaps(port, mapping));
  if (twin !== undefined)
    throw new CniError(
      codes.conflict,
      `Cannot publish ${describeMapping(mapping)}: container "${containerId}" publishes ${mappingWords(twin)} already`,
      `Take it back with "drawbridge port remove ${containerId} ${mappingWords(twin).replace('->', ':')}"`,
    );
  const families = new Set(link.addresses.map(({ address }) => familyOf(address)));
  if (!mapping.families.some((family) => families.has(family)))
    throw new CniError(
      codes.conflict,
      `Cannot publish ${describeMapping(mapping)}: container "${containerId}" has no IPv${mapping.families[0]} address`,
      'Publish it at an address of the other family',
    );
  return [...link.ports, mapping];
}

function withoutPort({ link, containerId }: LinkedRecord, { hostPort, protocol, hostIp }: PortMapping): PortMapping[] {
  const left = link.ports.filter(
    (port) =>
      !(port.hostPort === hostPort && port.protocol === protocol && (hostIp === undefined || port.hostIp === hostIp)),
  );
  if (left.length < link.ports.length) return left;
  throw new CniError(
    codes.conflict,
    `Cannot take port "${hostPort}/${protocol}" back: container "${containerId}" does not publish it`,
    link.ports.length === 0 ? 'It publishes none' : `It publishes ${link.ports.map(mappingWords).join(', ')}`,
  );
}

/** Somebody else changed the record between our look and the lock. */
function refuseChanged(found: AttachmentRecord, seen: AttachmentRecord): void {
  if (JSON.stringify(found) !== JSON.stringify(seen))
    throw new CniError(
      codes.tryAgainLater,
      `Cannot change the ports of container "${seen.containerId}": something else changed it at the same time`,
      'Try again',
    );
}
