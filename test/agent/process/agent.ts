/** Starts the agent in a private host and talks to it. */
import { executable } from '../../helpers/executable.ts';
import type { Daemon, Host } from '../../helpers/private-host.ts';

export interface Agent {
  readonly pid: number;
  /** Sends one request over the socket and returns the whole answer. */
  ask<T>(method: string, params?: object): Promise<{ id: unknown; result: T; error?: { message: string } }>;
  /** Lines of its log, each a JSON object. */
  log(): Promise<LogLine[]>;
  running(): Promise<boolean>;
  kill(): Promise<void>;
  stop(): Promise<{ code: number }>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly resource?: string;
  readonly repaired?: readonly string[];
  readonly problem?: string;
  readonly service?: string;
  readonly ms?: number;
}

/** Ready when this returns: it says so in its log. */
export async function startAgent(
  host: Host,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  deadline = 8000,
  program = executable,
): Promise<Agent> {
  const daemon: Daemon = await host.spawn([program, 'agent', ...args], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...env },
  });
  const log = async (): Promise<LogLine[]> => parseLog(await host.run(['cat', daemon.log]));
  await until(async () => {
    if ((await log()).some(({ msg }) => msg === 'agent is ready')) return true;
    if (!(await daemon.running())) throw new Error(`The agent ended: ${await host.run(['cat', daemon.log])}`);
    return false;
  }, deadline);
  return {
    pid: daemon.pid,
    log,
    running: () => daemon.running(),
    ask: async (method, params) =>
      JSON.parse(await talk(host, `${JSON.stringify({ id: 1, method, params })}\n`)) as never,
    kill: async () => void (await daemon.stop(9)),
    stop: () => daemon.stop(),
  };
}

/** What the socket answers to a text. */
export function talk(host: Host, text: string): Promise<string> {
  const script = `import socket,sys
s=socket.socket(socket.AF_UNIX); s.connect("/run/drawbridge/agent.sock"); s.sendall(sys.stdin.buffer.read()); s.shutdown(socket.SHUT_WR)
out=b""
while True:
  d=s.recv(65536)
  if not d: break
  out+=d
sys.stdout.buffer.write(out)`;
  return host.run(['python3', '-c', script], { input: text });
}

function parseLog(text: string): LogLine[] {
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []));
}

/** Milliseconds until something is so. */
export async function until(isSo: () => Promise<boolean>, deadline = 8000): Promise<number> {
  const started = performance.now();
  while (!(await isSo())) {
    if (performance.now() - started > deadline) throw new Error('It did not come to be in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - started;
}
