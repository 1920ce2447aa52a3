import { readFileSync } from 'node:fs';
import { CommandError, findProgram, run } from './run.ts';
import { systemReason } from '../text/system-error.ts';

/** A published UDP port, by the address and port that a client sends to. */
export interface UdpDestination {
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
export function forgetUdpFlows(ports: readonly UdpDestination[]): Promise<string[]> {
  return deleteAll(
    ports.flatMap(({ families, hostIp, hostPort }) =>
      families.map((family) => ({
        filter: [
          ...familyOf(family),
          '-p',
          'udp',
          ...(hostIp === undefined ? [] : ['--orig-dst', hostIp]),
          '--orig-port-dst',
          String(hostPort),
        ],
        trace: ` dport=${hostPort} `,
      })),
    ),
  );
}

/**
 * Forgets every flow that an address began, or that was translated to lead to it. Returns warnings. `isBusy` says that
 * the address may be sending now.
 */
export function forgetFlowsOf(
  addresses: readonly string[],
  { isBusy = false }: { isBusy?: boolean } = {},
): Promise<string[]> {
  return deleteAll(
    addresses.flatMap((address) => {
      const family = familyOf(address.includes(':') ? 6 : 4);
      const trace = ` src=${asListed(address)} `;
      return [
        { filter: [...family, '--orig-src', address], trace },
        { filter: [...family, '--reply-src', address], trace },
      ];
    }),
    { isBusy },
  );
}

/** What is deleted, and a part of every line of {@link listing} that is about it. */
interface Flows {
  readonly filter: readonly string[];
  readonly trace: string;
}

function familyOf(family: 4 | 6): string[] {
  return ['-f', family === 4 ? 'ipv4' : 'ipv6'];
}

/** An IPv6 address with all its digits, as the kernel lists it. */
function asListed(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - (before?.length ?? 0) - (after?.length ?? 0)).fill('0');
  return [...(before ?? []), ...zeros, ...(after ?? [])].map((group) => group.padStart(4, '0')).join(':');
}

async function deleteAll(flows: readonly Flows[], { isBusy = false } = {}): Promise<string[]> {
  if (flows.length === 0 || areAbsent(flows, { isBusy })) return [];
  if (findProgram('conntrack') === undefined) {
    return [
      'Cannot forget old flows: the program "conntrack" is not installed; install the package "conntrack" (Debian, Ubuntu) or "conntrack-tools" (others)',
    ];
  }
  const filters = flows.map(({ filter }) => filter);
  return (await deleteAtOnce(filters)) ? [] : deleteOneByOne(filters);
}

const folder = '/proc/sys/net/netfilter';
const listing = '/proc/net/nf_conntrack';

/** Flows up to which the kernel's list of them is read. */
const fewFlows = 2000;

/**
 * Whether a glance at the kernel's list shows that there is none of them: for a new container the usual case.
 * conntrack asks by netlink, which locks each of the table's 262,144 buckets in turn and takes 10 ms for each
 * filter, flows or none. Where the list is missing (CONFIG_NF_CONNTRACK_PROCFS), or long, conntrack has to look.
 *
 * The list is read page by page, and one that others change in between may lack a flow: where that matters it has to be
 * as long as the kernel's count.
 */
function areAbsent(flows: readonly Flows[], { isBusy }: { isBusy: boolean }): boolean {
  try {
    const count = Number(readFileSync(`${folder}/nf_conntrack_count`, 'utf8'));
    if (count === 0) return true;
    if (count > fewFlows) return false;
    const listed = readFileSync(listing, 'utf8');
    if (isBusy && listed.split('\n').length - 1 < count) return false;
    return flows.every(({ trace }) => !listed.includes(trace));
  } catch {
    return false;
  }
}

/** One process for all of them; false where conntrack does not know "-R" (before 1.4.7), or something was wrong. */
async function deleteAtOnce(filters: readonly (readonly string[])[]): Promise<boolean> {
  if (filters.length === 1) return false;
  const input = filters.map((filter) => `-D ${filter.join(' ')}\n`).join('');
  try {
    await run('conntrack', ['-R', '-'], { input, deadline });
    return true;
  } catch {
    return false;
  }
}

async function deleteOneByOne(filters: readonly (readonly string[])[]): Promise<string[]> {
  const warnings = await Promise.all(filters.map(deleteFlows));
  return warnings.filter((warning) => warning !== undefined);
}

/** Milliseconds. */
const deadline = 5000;

async function deleteFlows(filter: readonly string[]): Promise<string | undefined> {
  try {
    await run('conntrack', ['-D', ...filter], { deadline });
    return undefined;
  } catch (error) {
    // Exit status 1 with this line says that there was none, which is what was wanted.
    if (error instanceof CommandError && /\b0 flow entries have been deleted/.test(error.stderr)) return undefined;
    return `Cannot forget old flows: ${systemReason(error)}`;
  }
}
