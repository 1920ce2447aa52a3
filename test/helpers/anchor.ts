import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Debian's own first: a version manager's stand-in for python3 takes longer than a test may. */
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const program = new URL('net.py', import.meta.url).pathname;

export interface Anchor {
  /** Process 1 of the host, by the number that the machine knows it by. */
  readonly pid: number;
  call<T>(op: string, parameters?: Record<string, unknown>): Promise<T>;
  stop(): Promise<void>;
}

/**
 * Starts the process that a private host consists of: its namespaces, mounts, servers and programs
 * live as long as it does. It ends when it is stopped, and when this process ends in any way.
 */
export async function startAnchor(): Promise<Anchor> {
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child'];
  if (process.getuid?.() !== 0) namespaces.unshift('--user', '--map-root-user');
  const child = spawn('unshare', [...namespaces, python, '-I', '-S', program], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));

  type Answer = { pid?: number; error?: string };
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  const expect = (id: number) => new Promise<Answer>((resolve, reject) => waiting.set(id, { resolve, reject }));
  const ready = expect(0);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, ...answer } = JSON.parse(line) as Answer & { id: number };
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (answer.error === undefined) waiter?.resolve(answer);
    else waiter?.reject(new Error(answer.error));
  });
  const fail = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  child.on('error', fail);
  child.stdin.on('error', fail);
  void exited.then(() => fail(new Error(`The private host has ended: ${errors}`)));

  const { pid } = await ready;
  let last = 0;
  return {
    pid: pid!,
    async call<T>(op: string, parameters: Record<string, unknown> = {}): Promise<T> {
      if (child.exitCode !== null) throw new Error(`Cannot ${op}: the private host has ended`);
      const id = ++last;
      const answer = expect(id);
      child.stdin.write(`${JSON.stringify({ ...parameters, id, op })}\n`);
      return (await answer) as T;
    },
    async stop() {
      // With process 1 goes everything in the namespaces, and then unshare, which waits for it.
      if (child.exitCode === null) process.kill(pid!, 'SIGKILL');
      await exited;
    },
  };
}
