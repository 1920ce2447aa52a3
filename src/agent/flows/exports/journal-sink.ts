import { closeSync } from 'node:fs';
import type { FlowRecord } from '../../../flows/flow-record.ts';
import { openLibrary } from '../../../host/netlink/libc.ts';
import { journalEntry } from './journal-entry.ts';
import type { FlowSink } from './sink.ts';

/** Where systemd-journald takes entries with fields. */
const journalSocket = '/run/systemd/journal/socket';

/** Sends records to the journal. Each is a datagram of its own, which is taken at once or not at all. */
export class JournalSink implements FlowSink {
  readonly name = 'journal';
  readonly #library = openLibrary();
  readonly #socket = this.#library?.openDatagramSocket();
  #lost = 0;
  #problem: string | undefined;

  get lost(): number {
    return this.#lost;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  send(record: FlowRecord): void {
    const socket = this.#socket;
    if (socket !== undefined && this.#library?.sendToPath(socket, journalEntry(record), journalSocket) === true) {
      this.#problem = undefined;
      return;
    }
    this.#lost += 1;
    this.#problem =
      socket === undefined
        ? 'Cannot send records of flows to the journal: this process has no socket for it (its C library is not glibc)'
        : `Cannot send records of flows to the journal: nobody takes them at "${journalSocket}"`;
  }

  async close(): Promise<void> {
    if (this.#socket !== undefined) closeSync(this.#socket);
    await Promise.resolve();
  }
}
