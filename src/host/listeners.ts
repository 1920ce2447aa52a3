import { listReadable } from './files.ts';
import { readFile, readFileSync, readlinkSync } from 'node:fs';
import { protocols } from './netlink/libc.ts';
import { readWith } from './netlink/read.ts';
import { readIn } from './netlink/read-by.ts';
import { readListeners } from './netlink/sockets.ts';
import { visible } from '../text/visible.ts';

/** A socket of a process of the host that a published port takes the traffic from. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Number of the socket in /proc/PID/fd. */
  readonly inode: string;
  /** `nginx (pid 812)`; undefined when no process with it is visible. */
  process?: string;
}

/**
 * Finds the sockets of this network namespace that listen on one of the ports, on whatever address.
 *
 * Reads /proc/net only; processes are looked through only when a socket was found, since that takes
 * time with every process of the host. SCTP has no list there.
 *
 * For a list of /proc/net the kernel walks through the table of all connections of the machine, some milliseconds for
 * each; asked by netlink for listening sockets alone (sock_diag(7)) it looks at those. Where only /proc is to be had,
 * threads read it, so that other work goes on meanwhile.
 */
export async function findListeners(ports: readonly { protocol: string; hostPort: number }[]): Promise<Listener[]> {
  const wanted = new Set(ports.map(({ protocol, hostPort }) => `${protocol} ${hostPort}`));
  const asked = tables.filter(({ protocol }) => ports.some((port) => port.protocol === protocol));
  const found = await Promise.all(
    asked.map(async (table) => {
      const { protocol } = table;
      const sockets =
        (await readWith(undefined, (kernel) => readListeners(kernel, table), protocols.sockets))?.value ??
        (await readSockets(table));
      return sockets.flatMap(({ port, inode }) =>
        wanted.has(`${protocol} ${port}`) ? [{ protocol, port, inode }] : [],
      );
    }),
  );
  const listeners = found.flat();
  return listeners.length === 0 ? [] : nameProcesses(listeners);
}

/**
 * The addresses at which sockets of a network namespace listen on a port; undefined where that cannot be told: the
 * namespace is gone, or nothing asks the kernel there.
 */
export function listeningAddresses(netns: string, protocol: string, port: number): readonly string[] | undefined {
  const found = tables
    .filter((table) => table.protocol === protocol)
    .map((table) => readIn(netns, (kernel) => readListeners(kernel, table), protocols.sockets)?.value);
  if (found.length === 0 || found.includes(undefined)) return undefined;
  return found.flatMap((sockets) => (sockets ?? []).filter((one) => one.port === port).map(({ address }) => address));
}

/**
 * 0A is TCP_LISTEN; a UDP socket that is bound and not connected is in state 07, TCP_CLOSE (include/net/tcp_states.h).
 */
const tables = [
  { protocol: 'tcp', family: 4, file: '/proc/net/tcp', state: '0A' },
  { protocol: 'tcp', family: 6, file: '/proc/net/tcp6', state: '0A' },
  { protocol: 'udp', family: 4, file: '/proc/net/udp', state: '07' },
  { protocol: 'udp', family: 6, file: '/proc/net/udp6', state: '07' },
] as const;

/** Lines of "sl local_address rem_address st …", ports in hexadecimal, the inode in the tenth column. */
async function readSockets({ file, state }: (typeof tables)[number]): Promise<{ port: number; inode: string }[]> {
  const text = await readInThread(file);
  return text.split('\n').flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const port = columns[1]?.split(':')[1];
    const inode = columns[9];
    return port === undefined || inode === undefined || columns[3] !== state
      ? []
      : [{ port: Number.parseInt(port, 16), inode }];
  });
}

/** node:fs/promises would do the same, and takes a millisecond and a half to load. */
function readInThread(file: string): Promise<string> {
  return new Promise((resolve) => {
    readFile(file, 'utf8', (error, text) => resolve(error === null ? text : ''));
  });
}

function nameProcesses(listeners: Listener[]): Listener[] {
  const missing = new Map(listeners.map((listener) => [`socket:[${listener.inode}]`, listener]));
  for (const pid of listReadable('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of listReadable(`/proc/${pid}/fd`)) {
      const listener = missing.get(target(`/proc/${pid}/fd/${fd}`));
      if (listener !== undefined) listener.process ??= `${commOf(pid)} (pid ${pid})`;
    }
    if (listeners.every((listener) => listener.process !== undefined)) break;
  }
  return listeners;
}

/** A process gives itself any name that it likes, line ends included (prctl(2), PR_SET_NAME). */
function commOf(pid: string): string {
  try {
    return visible(readFileSync(`/proc/${pid}/comm`, 'utf8').replace(/\n$/, '')) || 'process';
  } catch {
    return 'process';
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
