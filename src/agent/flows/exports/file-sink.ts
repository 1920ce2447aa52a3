import { appendFile } from 'node:fs/promises';
import type { FlowRecord } from '../../../flows/flow-record.ts';
import { WriteQueue } from '../../../flows/write-queue.ts';
import { visible } from '../../../text/visible.ts';
import type { FlowSink } from './sink.ts';

/** Bytes that may wait to be written. */
const most = 8 * 1024 * 1024;

/**
 * Appends records to a file, a JSON line each. The file is opened for each write, so whoever rotates it need not say
 * so.
 */
export class FileSink implements FlowSink {
  readonly name = 'file';
  readonly #path: string;
  readonly #queue: WriteQueue<string>;

  constructor(path: string) {
    this.#path = path;
    this.#queue = new WriteQueue<string>({
      write: async (lines) => appendFile(path, lines.join(''), { mode: 0o600 }),
      most,
      sizeOf: ({ length }) => length,
    });
  }

  get lost(): number {
    return this.#queue.lost;
  }

  get problem(): string | undefined {
    const { problem } = this.#queue;
    return problem === undefined ? undefined : `Cannot write records of flows to "${this.#path}": ${problem}`;
  }

  send(record: FlowRecord): void {
    this.#queue.append(`${visible(JSON.stringify(record))}\n`);
  }

  async close(): Promise<void> {
    await this.#queue.flush();
  }
}
