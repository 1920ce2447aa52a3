import { readFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { familyOf } from '../ip/family.ts';
import { deleteArguments, filterArguments, parseFlows } from './conntrack-program.ts';
import {
  deleteFlow,
  readCountedFlows,
  readFlows,
  type CountedFlow,
  type Flow,
  type FlowFilter,
} from './netlink/conntrack.ts';
import { netfilterHere, RefusedError, type Conversation } from './netlink/conversation.ts';
import { openLibrary } from './netlink/libc.ts';
import { CommandError, findProgram, run } from './run.ts';
import { begin } from './trace.ts';
import { systemReason } from '../text/system-error.ts';

export type { CountedFlow, Flow } from './netlink/conntrack.ts';

/** A published port, by the address and port that a client sends to. */
export interface PublishedDestination {
  readonly protocol?: string;
  readonly families: readonly (4 | 6)[];
  readonly hostIp?: string;
  readonly hostPort: number;
}

/**
 * Forgets the UDP flows to published ports. conntrack goes on sending the packets of such a flow where the
 * first one went, be that a container that is gone or, before the port was published, nowhere (plugins#123,
 * plugins#1190). TCP needs none of this: its flows end with their connections.
 *
 * Returns warnings; a flow that stays is no reason to fail.
 */
export async function forgetUdpFlows(ports: readonly PublishedDestination[]): Promise<string[]> {
  return warnings(async () => forget(ports.flatMap((port) => toPort({ ...port, protocol: 'udp' }))));
}

/**
 * Ends whatever reaches `answerers` by a published port, of any protocol: for a port that is taken back. Returns
 * warnings.
 */
export async function endFlowsToPort(port: PublishedDestination, answerers: readonly string[]): Promise<string[]> {
  const filters = toPort(port).flatMap((filter) =>
    answerers.filter((answerer) => familyOf(answerer) === filter.family).map((answerer) => ({ ...filter, answerer })),
  );
  return warnings(async () => forget(filters));
}

/**
 * Forgets every flow that an address began, or that leads to it, translated or not. Throws code 100 when one may be
 * left: neither can this process speak to the kernel, nor is there conntrack(8).
 */
export async function forgetFlowsOf(addresses: readonly string[]): Promise<void> {
  await forget(
    addresses.flatMap((address) => [
      { family: familyOf(address), source: address },
      { family: familyOf(address), answerer: address },
    ]),
  );
}

/** Ends the flows that these addresses began to port 53 of anybody. Returns warnings. */
export async function endDnsFlowsOf(addresses: readonly string[]): Promise<string[]> {
  const filters = addresses.flatMap((source) =>
    ['udp', 'tcp'].map((protocol) => ({ family: familyOf(source), source, protocol, destinationPort: 53 })),
  );
  return warnings(async () => forget(filters));
}

/** As {@link forgetFlowsOf}, where a flow that stays is no reason to fail. Returns warnings. */
export async function tryForgetFlowsOf(addresses: readonly string[]): Promise<string[]> {
  return warnings(async () => forgetFlowsOf(addresses));
}

/**
 * All flows with what passed of them, which is zero where `nf_conntrack_acct` was off when they began. Undefined where
 * this process cannot speak to the kernel.
 */
export function listCountedFlows(): CountedFlow[] | undefined {
  const conversation = netfilterHere();
  if (conversation === undefined) return undefined;
  try {
    return readCountedFlows(conversation);
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

/** Whether flows can be listed and ended one by one. */
export async function canEndFlows(): Promise<boolean> {
  return openLibrary() !== undefined || findProgram('conntrack') !== undefined;
}

/** Flows that an address began, and those that it answers. Throws code 100. */
export async function listFlowsOf(addresses: readonly string[]): Promise<{ begun: Flow[]; answered: Flow[] }> {
  const filters = (role: 'source' | 'answerer'): FlowFilter[] =>
    addresses.map((address) => ({ family: familyOf(address), [role]: address }));
  return { begun: await list(filters('source')), answered: await list(filters('answerer')) };
}

/** Ends these flows, and no others. One that is gone is ended. Throws code 100. */
export async function endFlows(flows: readonly Flow[]): Promise<void> {
  const filters = flows.map(({ source, answerer }) => ({ family: familyOf(source), source, answerer }));
  const wanted = new Set(flows.map(identify));
  const told = await tellKernel(filters, (conversation, listed) => {
    for (const flow of listed) if (wanted.has(identify(flow))) deleteFlow(conversation, flow);
  });
  if (told) return;
  requireProgram();
  for (let at = 0; at < flows.length; at += together)
    await Promise.all(flows.slice(at, at + together).map(async (flow) => runTolerant(deleteArguments(flow))));
}

/** Programs at once. */
const together = 16;

function toPort({ protocol = 'tcp', families, hostIp, hostPort }: PublishedDestination): FlowFilter[] {
  return families.map((family) => ({
    family,
    protocol,
    destinationPort: hostPort,
    ...(hostIp === undefined ? {} : { destination: hostIp }),
  }));
}

function identify({ protocol, source, sourcePort, destination, destinationPort }: Flow): string {
  return [protocol, source, sourcePort, destination, destinationPort].join(' ');
}

async function warnings(work: () => Promise<void>): Promise<string[]> {
  try {
    await work();
    return [];
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    return [error.details === undefined ? error.message : `${error.message}: ${error.details}`];
  }
}

async function forget(filters: readonly FlowFilter[]): Promise<void> {
  if (filters.length === 0 || areAbsent(filters)) return;
  const told = await tellKernel(filters, (conversation, listed) => {
    for (const flow of listed) deleteFlow(conversation, flow);
  });
  if (told) return;
  requireProgram();
  await Promise.all(filters.map(async (filter) => runTolerant(['-D', ...filterArguments(filter)])));
}

async function list(filters: readonly FlowFilter[]): Promise<Flow[]> {
  if (filters.length === 0) return [];
  let found: readonly Flow[] = [];
  const told = await tellKernel(filters, (_, listed) => {
    found = listed;
  });
  if (told) return [...found];
  requireProgram();
  const texts = [];
  for (let at = 0; at < filters.length; at += together) {
    const some = filters.slice(at, at + together);
    texts.push(...(await Promise.all(some.map(async (filter) => runTolerant(['-L', ...filterArguments(filter)])))));
  }
  return texts.flatMap(parseFlows);
}

/** Filters up to which the kernel is asked once for each: it walks its whole table every time. */
const fewFilters = 8;

/**
 * Calls `work` with the flows that match; false where this process cannot speak to the kernel, or the kernel lacks
 * nf_conntrack_netlink.
 */
async function tellKernel(
  filters: readonly FlowFilter[],
  work: (conversation: Conversation, listed: ReturnType<typeof readFlows>) => void,
): Promise<boolean> {
  const conversation = netfilterHere();
  if (conversation === undefined) return false;
  const end = begin('netlink', () => ({
    command: 'conntrack',
    input: `${filters.map((one) => filterArguments(one).join(' ')).join('\n')}\n`,
  }));
  try {
    const filteredByKernel = filters.length <= fewFilters && flowCount() > fewFlows;
    work(conversation, readFlows(conversation, filters, { filteredByKernel }));
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  } finally {
    end();
  }
}

function requireProgram(): void {
  if (findProgram('conntrack') !== undefined) return;
  throw new CniError(
    codes.commandFailed,
    'Cannot forget old flows: the kernel does not list them for this process, and the program "conntrack" is not installed',
    'Load the kernel module "nf_conntrack_netlink", or install the package "conntrack" (Debian, Ubuntu) or "conntrack-tools" (others)',
  );
}

const folder = '/proc/sys/net/netfilter';
const listing = '/proc/net/nf_conntrack';

/** Flows up to which the kernel's list of them is read. */
const fewFlows = 2000;

function flowCount(): number {
  try {
    return Number(readFileSync(`${folder}/nf_conntrack_count`, 'utf8'));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Less than the page that the kernel fills of the list at one go. */
const onePage = 3500;

/**
 * Whether a glance at the kernel's list shows that there is none of them: for a new container the usual case.
 * By netlink the kernel locks each of the table's 262,144 buckets in turn, which takes 10 ms for each question. Where
 * the list is missing (CONFIG_NF_CONNTRACK_PROCFS), or long, it has to be asked.
 *
 * The kernel fills the list page by page, and each page begins at a place that it counts anew: where a flow of before
 * ended meanwhile, another is passed over. Two lists that say the same passed over none.
 */
function areAbsent(filters: readonly FlowFilter[]): boolean {
  try {
    const count = flowCount();
    if (count === 0) return true;
    if (count > fewFlows) return false;
    const traces = filters.map(traceOf);
    const listed = readFileSync(listing, 'utf8');
    if (traces.some((trace) => listed.includes(trace))) return false;
    return listed.length < onePage || beginnings(listed) === beginnings(readFileSync(listing, 'utf8'));
  } catch {
    return false;
  }
}

/** A part of every line of {@link listing} that is about what a filter selects. */
function traceOf({ source, answerer, destinationPort }: FlowFilter): string {
  const address = source ?? answerer;
  return address === undefined ? ` dport=${destinationPort ?? ''} ` : ` src=${asListed(address)} `;
}

/** Who began each flow with whom, without what changes by itself. */
function beginnings(listed: string): string {
  return [...listed.matchAll(/^(.*?)\d+ .*?( src=\S+ dst=\S+ (?:\w+=\S+ )*)/gmu)]
    .map((line) => `${line[1]}${line[2]}`)
    .join('\n');
}

/** An IPv6 address with all its digits, as the kernel lists it. */
function asListed(address: string): string {
  if (familyOf(address) === 4) return address;
  const [head = '', tail] = address.split('::');
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - (before?.length ?? 0) - (after?.length ?? 0)).fill('0');
  return [...(before ?? []), ...zeros, ...(after ?? [])].map((group) => group.padStart(4, '0')).join(':');
}

/** Milliseconds. */
const deadline = 5000;

/** conntrack ends with 1 when there is nothing of the kind, which is as good. */
async function runTolerant(args: readonly string[]): Promise<string> {
  try {
    return (await run('conntrack', args, { deadline })).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 1 && isNothing(error, args)) return error.stdout;
    throw new CniError(codes.commandFailed, `Cannot forget old flows: ${systemReason(error)}`, undefined, {
      cause: error,
    });
  }
}

function isNothing({ stderr }: CommandError, [verb]: readonly string[]): boolean {
  return verb === '-L' || /\b0 flow entries have been deleted|No such file or directory/u.test(stderr);
}
