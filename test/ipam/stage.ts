import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Calls } from './actor.ts';

/** A process of actor.ts. Its calls are asked for one after the other. */
export class Actor {
  readonly process: ChildProcess;

  constructor(child: ChildProcess) {
    this.process = child;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Rejects with the error that the call threw, or when the process ends before it answered. */
  async call<K extends keyof Calls>(call: K, ...args: Parameters<Calls[K]>): Promise<Awaited<ReturnType<Calls[K]>>> {
    this.process.send({ call, args });
    const answer = await this.#next();
    if ('error' in answer) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result as Awaited<ReturnType<Calls[K]>>;
  }

  /** Asks for something and waits only for the word that it sends on the way. */
  async callUntilWord<K extends keyof Calls>(call: K, ...args: Parameters<Calls[K]>): Promise<void> {
    this.process.send({ call, args });
    await once(this.process, 'message');
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }

  async #next(): Promise<{ result: unknown } | { error: { message: string } }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ result: unknown }>();
    const ended = (): void => reject(new Error('the process ended'));
    this.process.once('message', resolve).once('exit', ended);
    return promise.finally(() => this.process.off('message', resolve).off('exit', ended));
  }
}

/**
 * A mount namespace with /run and /var/lib of its own, and a folder outside of them for leases. All actors share it.
 * Needs root. Ends with `await using`.
 */
export class Stage implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'ipam-'));
  readonly #actors: Actor[] = [];

  /** The first one makes the namespace and has to live as long as the others need it. */
  actor(): Actor {
    const [first] = this.#actors;
    const mounts = 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && exec "$@"';
    const [program, ...args] =
      first === undefined
        ? ['unshare', '-m', '--propagation', 'private', 'sh', '-c', mounts, 'sh', process.execPath]
        : ['nsenter', '-m', '-t', String(first.pid), process.execPath];
    const child = fork(join(import.meta.dirname, 'actor.ts'), {
      execPath: program,
      execArgv: args,
      // JSON would make null of undefined.
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const actor = new Actor(child);
    this.#actors.push(actor);
    return actor;
  }

  /** Path of a file in the namespace's /run or /var/lib, as seen from the test. */
  inside(path: string): string {
    return `/proc/${this.#actors[0]?.pid ?? 0}/root${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const actor of this.#actors.toReversed()) await actor.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
