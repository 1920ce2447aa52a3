import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Another process of this executable, for as long as this one lives. */
export interface Companion {
  readonly pid: number;
  /** Writes a line to its stdin. */
  say(line: string): void;
  stop(): Promise<void>;
}

export interface CompanionEvents {
  readonly onLine: (line: string) => void;
  /** It ended by itself, with what it wrote to stderr. */
  readonly onEnd: (reason: string) => void;
  /** It comes after what this process does, and goes before it where memory ends. */
  readonly isExpendable?: boolean;
}

/** Niceness of one that is expendable, and points of its /proc/PID/oom_score_adj. */
const niceness = 5;
const expendable = 500;

/** What this uses of Bun (bun.com/docs/runtime/child-process). */
interface Runtime {
  spawn(
    command: readonly string[],
    options: object,
  ): {
    readonly pid: number;
    readonly stdin: { write(text: string): void; flush(): void; end(): void };
    readonly stdout: AsyncIterable<Uint8Array>;
    readonly stderr: AsyncIterable<Uint8Array>;
    readonly exited: Promise<number>;
    kill(signal: string): void;
  };
}

/** Milliseconds that it may take to end when its stdin did. */
const farewell = 2000;
/** Characters of what it wrote to stderr that are kept. */
const mostSaid = 2000;

/**
 * Starts one; undefined where this process is not the executable. It is the very file that this process runs, also when
 * another version has taken its place.
 */
export function startCompanion(
  words: readonly string[],
  { onLine, onEnd, isExpendable = false }: CompanionEvents,
): Companion | undefined {
  const { Bun: runtime } = globalThis as { Bun?: Runtime };
  if (runtime === undefined) return undefined;
  const child = runtime.spawn(['/proc/self/exe', ...words], {
    argv0: 'drawbridge',
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let isStopped = false;
  let said = '';
  if (isExpendable) humble(child.pid);
  void readLines(child.stdout, onLine);
  void readLines(child.stderr, (line) => (said = `${said}${line} `.slice(0, mostSaid)));
  void child.exited.then((status) => {
    if (!isStopped) onEnd(said.trim() === '' ? `exit status ${status}` : said.trim());
  });
  return {
    pid: child.pid,
    say: (line) => {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
    },
    stop: async () => {
      isStopped = true;
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), farewell);
      await child.exited;
      clearTimeout(timer);
    },
  };
}

/** Where it cannot be, nothing depends on it. */
function humble(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {}
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(expendable));
  } catch {}
}

async function readLines(chunks: AsyncIterable<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  }
}
