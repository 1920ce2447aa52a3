import { mkdirSync, rmSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { listReadable } from '../host/files.ts';
import { stateDir } from '../host/paths.ts';
import { WriteQueue } from './write-queue.ts';

/*
 * /var/lib/drawbridge/flows/  0700
 *   flows-TIME-NUMBER.jsonl   0600, TIME in milliseconds since 1970 with 14 digits: a FlowRecord or a FlowUpdate on
 *                             each line. The newest is written to; the oldest goes when all of them are too long or
 *                             too old.
 *
 * Lines and not a database: appending costs a copy, a reader needs nothing of the writer, and a crash loses what was
 * not written yet and nothing before it.
 */

export const flowsFolder = `${stateDir}/flows`;

export interface StoreBounds {
  /** Bytes of all files together. */
  readonly bytes: number;
  /** Milliseconds since a file was written last. */
  readonly age: number;
}

const usualBounds: StoreBounds = { bytes: 64 * 1024 * 1024, age: 7 * 24 * 3600 * 1000 };

/** Files that the bound of bytes is divided into: so much of it is lost at once. */
const parts = 8;
/** Bytes that may wait to be written. */
const mostWaiting = 8 * 1024 * 1024;
export interface FlowFile {
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly writtenAt: number;
}

/** The files of a folder, the oldest first; none where it cannot be read. */
export function listFlowFiles(folder = flowsFolder): FlowFile[] {
  return listReadable(folder)
    .filter((name) => /^flows-\d{14}-\d+\.jsonl$/.test(name))
    .toSorted()
    .flatMap((name) => {
      const stats = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
      return stats === undefined ? [] : [{ path: `${folder}/${name}`, bytes: stats.size, writtenAt: stats.mtimeMs }];
    });
}

/** Files that this process began: two may begin in one millisecond. */
let files = 0;

/** Appends lines to the files, and keeps them within their bounds. Whoever appends waits for nothing. */
export class FlowStore {
  readonly #folder: string;
  readonly #bounds: StoreBounds;
  readonly #queue: WriteQueue<string>;
  #file: { readonly handle: FileHandle; bytes: number } | undefined;

  constructor({ folder = flowsFolder, bounds = usualBounds }: { folder?: string; bounds?: StoreBounds } = {}) {
    this.#folder = folder;
    this.#bounds = bounds;
    this.#queue = new WriteQueue<string>({
      write: async (lines) => this.#write(lines),
      most: mostWaiting,
      sizeOf: ({ length }) => length,
    });
  }

  /** Lines that could not be kept: the disk is full, or slower than what comes. */
  get lost(): number {
    return this.#queue.lost;
  }

  /** Why nothing can be written; undefined while it can. */
  get problem(): string | undefined {
    const { problem } = this.#queue;
    return problem === undefined
      ? undefined
      : `Cannot keep what was recorded of flows in "${this.#folder}": ${problem}`;
  }

  append(line: object): void {
    this.#queue.append(`${JSON.stringify(line)}\n`);
  }

  /** Settles when everything that was appended so far is in the files, or lost. */
  async flush(): Promise<void> {
    await this.#queue.flush();
  }

  /** Removes what is too old, also when nothing is written. */
  removeOld(now = Date.now()): void {
    const files = listFlowFiles(this.#folder);
    // The newest is being written to.
    const others = files.slice(0, -1);
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of others) {
      if (bytes <= this.#bounds.bytes && now - file.writtenAt <= this.#bounds.age) continue;
      rmSync(file.path, { force: true });
      bytes -= file.bytes;
    }
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #write(lines: readonly string[]): Promise<void> {
    try {
      for (const batch of batches(lines)) {
        const file = (this.#file ??= await this.#begin());
        await file.handle.appendFile(batch);
        file.bytes += Buffer.byteLength(batch);
        if (file.bytes >= this.#bounds.bytes / parts) await this.#end();
      }
    } catch (error) {
      await this.#end().catch(() => {});
      throw error;
    }
  }

  async #begin(): Promise<{ handle: FileHandle; bytes: number }> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    files += 1;
    const time = String(Date.now()).padStart(14, '0');
    const handle = await open(`${this.#folder}/flows-${time}-${process.pid}${files}.jsonl`, 'a', 0o600);
    this.removeOld();
    return { handle, bytes: 0 };
  }

  async #end(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
    this.removeOld();
  }
}

/** Bytes of one write: others get their turn between two. */
const longestWrite = 256 * 1024;

function batches(lines: readonly string[]): string[] {
  const found: string[] = [];
  let batch = '';
  for (const line of lines) {
    batch += line;
    if (batch.length < longestWrite) continue;
    found.push(batch);
    batch = '';
  }
  return batch === '' ? found : [...found, batch];
}
