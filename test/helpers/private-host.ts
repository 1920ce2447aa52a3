/** The private host of host.ts, for what runs without vitest: the demo, benchmarks. See there. */
import { startAnchor, type Anchor } from './anchor.ts';
import { Runtime } from './runtime.ts';

export async function makeHost(): Promise<Host> {
  const host = new Host(await startAnchor());
  await host.takeBaseline();
  return host;
}

export interface Place {
  /** Path of the network namespace, seen from inside the host; undefined is the host's own. */
  readonly netns: string | undefined;
}

export interface Container extends Place {
  readonly name: string;
  readonly netns: string;
  /** Inode of the namespace. */
  readonly inode: string;
  exec(cmd: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Takes the namespace away, as a runtime does with a container that ended. */
  remove(): Promise<void>;
}

export interface Outside extends Container {
  /** The outside's end of the uplink, and the host's. */
  readonly v4: string;
  readonly v6: string;
  readonly hostV4: string;
  readonly hostV6: string;
  /** Gives the outside further addresses, as hosts of the internet. */
  address(...addresses: readonly string[]): Promise<void>;
}

export interface ExecOptions {
  input?: string;
  /** The whole environment; PATH and LC_ALL alone unless given. */
  env?: Record<string, string>;
  /** Milliseconds, default 10,000. */
  timeout?: number;
  cwd?: string;
}

export interface ExecResult {
  /** Exit status; negative for a signal. */
  code: number;
  stdout: string;
  stderr: string;
  ms: number;
  timedOut: boolean;
}

export type Protocol = 'tcp' | 'udp' | 'sctp';

export interface ServeOptions {
  /** 0 or nothing: any free one. */
  port?: number;
  proto?: Protocol;
  /** Every address of both families unless given. */
  address?: string;
  /** Default "{peer}". For UDP also "{data}". */
  reply?: string;
}

export interface Server {
  readonly port: number;
  /** Addresses of the clients so far, as the server saw them. */
  peers(): Promise<string[]>;
  close(): Promise<void>;
}

export interface FetchOptions {
  proto?: Protocol;
  /** Milliseconds, default 700. */
  timeout?: number;
  /** Source address and port. */
  from?: string;
  fromPort?: number;
  /** What is sent first; UDP sends "ping" unless given. */
  send?: string;
}

export interface Daemon {
  /** Inside the host. */
  readonly pid: number;
  /** File inside the host with what it printed. */
  readonly log: string;
  running(): Promise<boolean>;
  stop(signal?: number): Promise<{ code: number }>;
}

const plainEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

export class Host extends Runtime implements Place {
  readonly netns = undefined;
  /** Process 1 of the host, by the number that the machine knows it by (for nsenter). */
  readonly pid: number;
  readonly #anchor: Anchor;
  #containers = 0;
  #daemons = 0;
  #baseline: string[] = [];

  constructor(anchor: Anchor) {
    super();
    this.#anchor = anchor;
    this.pid = anchor.pid;
  }

  /** Runs a program in the host, or in a container of it (network namespace only), to its end. */
  async exec(cmd: readonly string[], options: ExecOptions & { where?: Place } = {}): Promise<ExecResult> {
    const { where, env = plainEnvironment, timeout = 10_000, ...rest } = options;
    return this.#anchor.call('exec', { cmd, env, timeout, netns: where?.netns, ...rest });
  }

  /** Like exec(), but a failure is an error, and what comes back is stdout. */
  async run(cmd: readonly string[], options: ExecOptions & { where?: Place } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.exec(cmd, options);
    if (code !== 0) throw new Error(`${cmd.join(' ')}: exit status ${code}: ${stderr || stdout}`);
    return stdout;
  }

  /** Runs a script of /bin/sh in the host; a failure is an error. */
  sh(script: string, options: ExecOptions & { where?: Place } = {}): Promise<string> {
    return this.run(['/bin/sh', '-ec', script], options);
  }

  /** Starts a program that goes on until it is stopped or the host ends. */
  async spawn(
    cmd: readonly string[],
    { where, env = plainEnvironment }: { where?: Place; env?: Record<string, string> } = {},
  ): Promise<Daemon> {
    const log = `/run/daemon-${++this.#daemons}.log`;
    const { pid } = await this.#anchor.call<{ pid: number }>('spawn', { cmd, env, log, netns: where?.netns });
    return {
      pid,
      log,
      running: async () => (await this.#anchor.call<{ running: boolean }>('running', { pid })).running,
      stop: (signal = 15) => this.#anchor.call('stop', { pid, signal }),
    };
  }

  /** Makes a network namespace with its loopback up, at /run/netns/<name>. */
  async container(name = `c${++this.#containers}`): Promise<Container> {
    const netns = `/run/netns/${name}`;
    const { inode } = await this.#anchor.call<{ inode: string }>('netns_add', { path: netns });
    return {
      name,
      netns,
      inode,
      exec: (cmd, options = {}) => this.exec(cmd, { ...options, where: { netns } }),
      remove: async () => void (await this.#anchor.call('netns_remove', { path: netns })),
    };
  }

  /** Connects the host's eth0 to a namespace that stands for the internet, with default routes to it. */
  async outside({ v4 = true, v6 = true }: { v4?: boolean; v6?: boolean } = {}): Promise<Outside> {
    const container = await this.container('outside');
    const ends = { v4: '192.0.2.2', v6: '2001:db8:ffff::2', hostV4: '192.0.2.1', hostV6: '2001:db8:ffff::1' };
    const mac = { host: '02:00:c0:00:02:01', outside: '02:00:c0:00:02:02' };
    const batch = (address: string[], neighbour: string[], lladdr: string) =>
      [
        ...address,
        'link set eth0 up',
        ...neighbour.map((one) => `neigh replace ${one} lladdr ${lladdr} nud permanent dev eth0`),
      ].join('\n');
    const of = (four: string, six: string) => [...(v4 ? [four] : []), ...(v6 ? [six] : [])];
    await this.run([
      'ip',
      'link',
      'add',
      'eth0',
      'address',
      mac.host,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'address',
      mac.outside,
      'netns',
      'outside',
    ]);
    // The far end first, and neighbours known beforehand: the kernel may lose the first solicitation and repeats it a
    // second later.
    await this.run(['ip', '-batch', '-'], {
      where: container,
      input: batch(
        of(`addr add ${ends.v4}/24 dev eth0`, `addr add ${ends.v6}/64 dev eth0 nodad`),
        of(ends.hostV4, ends.hostV6),
        mac.host,
      ),
    });
    await this.run(['ip', '-batch', '-'], {
      input: batch(
        of(`addr add ${ends.hostV4}/24 dev eth0`, `addr add ${ends.hostV6}/64 dev eth0 nodad`),
        of(ends.v4, ends.v6),
        mac.outside,
      ),
    });
    await this.run(['ip', '-batch', '-'], {
      input: of(`route add default via ${ends.v4}`, `route add default via ${ends.v6}`)
        .map((line) => `${line}\n`)
        .join(''),
    });
    await this.takeBaseline();
    return {
      ...container,
      ...ends,
      address: async (...extra) => {
        const lines = extra.map(
          (one) => `addr add ${one}/${one.includes(':') ? '128' : '32'} dev lo${one.includes(':') ? ' nodad' : ''}\n`,
        );
        await this.run(['ip', '-batch', '-'], { where: container, input: lines.join('') });
      },
    };
  }

  /** Starts a small server, ready when this returns. */
  async serve(
    where: Place,
    { port = 0, proto = 'tcp', address, reply = '{peer}' }: ServeOptions = {},
  ): Promise<Server> {
    const { key, port: bound } = await this.#anchor.call<{ key: string; port: number }>('serve', {
      netns: where.netns,
      port,
      proto,
      address,
      reply,
    });
    return {
      port: bound,
      peers: async () => (await this.#anchor.call<{ peers: string[] }>('peers', { key })).peers,
      close: async () => void (await this.#anchor.call('close', { key })),
    };
  }

  /** What a server at an address answers: its text, or "refused", "unreachable" or "timeout". */
  async fetch(
    where: Place,
    address: string,
    port: number,
    { proto = 'tcp', timeout = 700, ...rest }: FetchOptions = {},
  ): Promise<string> {
    const { text } = await this.#anchor.call<{ text: string }>('fetch', {
      netns: where.netns,
      address,
      port,
      proto,
      timeout,
      ...rest,
    });
    return text;
  }

  /** One ICMP echo: "answer", "timeout", "unreachable" or "refused". */
  async ping(where: Place, address: string, { timeout = 700 }: { timeout?: number } = {}): Promise<string> {
    return (await this.#anchor.call<{ text: string }>('ping', { netns: where.netns, address, timeout })).text;
  }

  /** What the host has now and did not have at the baseline ("+ …"), and the reverse ("- …"). */
  async leftovers({ allow = [] }: { allow?: readonly RegExp[] } = {}): Promise<string[]> {
    const now = await this.#snapshot();
    const before = new Set(this.#baseline);
    const after = new Set(now);
    const lines = [
      ...now.filter((line) => !before.has(line)).map((line) => `+ ${line}`),
      ...this.#baseline.filter((line) => !after.has(line)).map((line) => `- ${line}`),
    ];
    return lines.filter((line) => !allow.some((pattern) => pattern.test(line)));
  }

  /** Makes the present state the one that leftovers() compares with. */
  async takeBaseline(): Promise<void> {
    this.#baseline = await this.#snapshot();
  }

  async #snapshot(): Promise<string[]> {
    return (await this.#anchor.call<{ lines: string[] }>('snapshot', { env: plainEnvironment })).lines;
  }

  dispose(): Promise<void> {
    return this.#anchor.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
