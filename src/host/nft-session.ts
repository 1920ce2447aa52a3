/**
 * An nft that stays: `nft -i` takes a transaction on each line of its stdin, in a third of a millisecond where a
 * process for each takes four and more.
 *
 * It prints nothing on success and its errors on stderr. So that silence can be told from slowness, each
 * transaction is followed by a line that is no command; nft answers it, after all that went before, with an
 * error that repeats it:
 *
 *     > add element inet drawbridge s { 192.0.2.1 timeout 60s }
 *     > barrier7
 *     < Error: syntax error, unexpected newline, expecting string
 *     < barrier7
 *     <         ^
 *
 * Whatever stands before that error belongs to the transaction, which then has failed, as a whole. nft keeps all
 * lines as its history: it is replaced before they add up.
 */
// The one long-lived child besides monitors: run() is for programs that end.
// oxlint-disable-next-line no-restricted-imports
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { CniError, codes } from '../cni/errors.ts';
import { applyTransaction, type Outcome } from './nft.ts';
import { findProgram } from './run.ts';

export interface NftSessionOptions {
  /** Milliseconds for one transaction. */
  readonly deadline?: number;
  /** Bytes of transactions after which nft is replaced. */
  readonly longestHistory?: number;
  /** What takes a transaction that the session cannot take. */
  readonly fallback?: (text: string) => Promise<Outcome>;
}

/** Bytes; longer transactions are not for a terminal. */
const longestLine = 512 * 1024;

/** Commits transactions one after the other through one nft. */
export class NftSession {
  readonly #deadline: number;
  readonly #longestHistory: number;
  readonly #fallback: (text: string) => Promise<Outcome>;
  #nft: ChildProcessByStdio<Writable, null, Readable> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #history = 0;
  #barriers = 0;
  #isInteractive = true;

  constructor({
    deadline = 5000,
    longestHistory = 8 * 1024 * 1024,
    fallback = applyTransaction,
  }: NftSessionOptions = {}) {
    this.#deadline = deadline;
    this.#longestHistory = longestHistory;
    this.#fallback = fallback;
  }

  /**
   * Commits commands, one on each line and none with a block, as one transaction: the same outcomes as
   * applyTransaction() in nft.ts. Where nft has no interactive mode, or a text does not suit it, that is what
   * commits it.
   *
   * Throws {@link CniError} with code 100 when nft refuses the text, ends, or does not answer in time; the
   * transaction may then have been committed, or not.
   */
  commit(text: string): Promise<Outcome> {
    const done = this.#last.then(() => this.#commit(text));
    this.#last = done.catch(() => {});
    return done;
  }

  /** Ends nft. A later commit starts another one. */
  close(): void {
    this.#nft?.kill('SIGKILL');
    this.#nft = undefined;
  }

  async #commit(text: string): Promise<Outcome> {
    const line = text.trimEnd().replaceAll('\n', '; ');
    // A terminal would act on control characters.
    const isPlain = /^[\x20-\x7e]*$/.test(line) && line.length <= longestLine;
    if (!this.#isInteractive || !isPlain || findProgram('nft') === undefined) return this.#fallback(text);
    if (this.#history > this.#longestHistory) this.close();
    const isFirst = this.#nft === undefined;
    const said = await this.#send(line).catch((error: unknown) => {
      this.close();
      // Built without a line editor, it ends at once.
      if (!isFirst || !(error instanceof SessionEnded)) throw error;
      this.#isInteractive = false;
    });
    return said === undefined ? this.#fallback(text) : outcomeOf(said, text);
  }

  #send(line: string): Promise<string> {
    const nft = (this.#nft ??= start(() => (this.#history = 0)));
    const barrier = `barrier${++this.#barriers}`;
    this.#history += line.length;
    return new Promise((resolve, reject) => {
      let said = '';
      const timer = setTimeout(
        () => finish(() => reject(failure(`it did not answer within ${this.#deadline} ms`))),
        this.#deadline,
      );
      const onData = (chunk: string): void => {
        said += chunk;
        const before = beforeBarrier(said, barrier);
        if (before !== undefined) finish(() => resolve(before));
      };
      const onEnd = (): void => finish(() => reject(new SessionEnded(said)));
      nft.stderr.on('data', onData);
      nft.once('close', onEnd);
      nft.once('error', onEnd);
      if (nft.exitCode !== null || nft.signalCode !== null) return onEnd();
      nft.stdin.write(`${line}\n${barrier}\n`);

      function finish(settle: () => void): void {
        clearTimeout(timer);
        nft.stderr.off('data', onData);
        nft.off('close', onEnd);
        nft.off('error', onEnd);
        settle();
      }
    });
  }
}

class SessionEnded extends CniError {
  constructor(said: string) {
    super(codes.commandFailed, 'Cannot write rules: nft ended', said.trim().slice(0, 2000));
  }
}

function start(started: () => void): ChildProcessByStdio<Writable, null, Readable> {
  started();
  // It would write its history into the home folder.
  const env = { LC_ALL: 'C', HOME: '/dev/null', TERM: 'dumb', INPUTRC: '/dev/null' };
  const nft = spawn(findProgram('nft') ?? 'nft', ['-i'], { env, stdio: ['pipe', 'ignore', 'pipe'] });
  nft.stderr.setEncoding('utf8');
  // A write to an nft that has ended; its end is what is waited for.
  nft.stdin.on('error', () => {});
  nft.on('error', () => {});
  return nft;
}

/** What was said before the error that repeats the barrier; undefined while that error has not come whole. */
function beforeBarrier(said: string, barrier: string): string | undefined {
  const lines = said.split('\n');
  const at = lines.indexOf(barrier);
  // The line below it points at the mistake, and ends with a newline.
  if (at < 1 || lines.length < at + 3) return undefined;
  return lines.slice(0, at - 1).join('\n');
}

function outcomeOf(said: string, text: string): Outcome {
  if (said.trim() === '') return 'committed';
  const errors = [...said.matchAll(/^Error: (.*)/gm)].map(([, error]) => error ?? '');
  if (
    errors.length > 0 &&
    errors.every((error) => /No such file or directory|File exists|Device or resource busy/.test(error))
  )
    return 'stale';
  throw failure(`${errors[0] ?? said.trim().slice(0, 200)}`, `${said.trim().slice(0, 1500)}\n${text.slice(0, 500)}`);
}

function failure(what: string, details?: string): CniError {
  return new CniError(codes.commandFailed, `Cannot write rules: ${what}`, details);
}
