import { readdirSync, statSync } from 'node:fs';
import { runDir } from '../host/paths.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { isBroken, readRecord, type BrokenRecord } from '../records/store.ts';
import type { NamesPolicy } from './dns/names-policy.ts';
import { hostServers } from './dns/host-servers.ts';
import { namesWork, type NamesWork } from './names/from-records.ts';

/** Milliseconds between looks for a source that nobody knows: anybody can send from any address. */
const leastPause = 100;

/** What is attached to the host now, out of the records. A file is read again only when it was replaced. */
export class HostState {
  readonly #read = new Map<string, { stamp: string; record: AttachmentRecord | BrokenRecord }>();
  #records: readonly AttachmentRecord[] = [];
  #all: readonly AttachmentRecord[] = [];
  #broken: readonly BrokenRecord[] = [];
  #servers: readonly string[] = [];
  #work: NamesWork = namesWork([], []);
  #loadedAt = -Infinity;

  /** Attachments that stand; the same array for as long as nothing changes. */
  get records(): readonly AttachmentRecord[] {
    return this.#records;
  }

  /** Those whose ADD is under way, or was cut short, too. */
  get all(): readonly AttachmentRecord[] {
    return this.#all;
  }

  get broken(): readonly BrokenRecord[] {
    return this.#broken;
  }

  /** What proxy and refresh have to do; `refreshed` is the same array for as long as it says the same. */
  get work(): NamesWork {
    return this.#work;
  }

  /** Reads what changed. Returns whether anything did. */
  load(): boolean {
    this.#loadedAt = performance.now();
    const files = listFiles();
    let isChanged = [...this.#read.keys()].filter((key) => !files.has(key) && this.#read.delete(key)).length > 0;
    for (const [key, stamp] of files) {
      if (this.#read.get(key)?.stamp === stamp) continue;
      const record = readRecord(key);
      if (record === undefined) this.#read.delete(key);
      else this.#read.set(key, { stamp, record });
      isChanged = true;
    }
    if (isChanged) this.#rebuild();
    return isChanged;
  }

  /** Reads which servers the host asks. Those of ours are left out: asking ourselves would never end. */
  async loadServers(ours: readonly string[]): Promise<void> {
    const servers = await hostServers(ours);
    if (servers.join(' ') === this.#servers.join(' ')) return;
    this.#servers = servers;
    this.#rebuild();
  }

  /**
   * The policy of whoever has an address. A container may ask before its record was seen: then the records are looked
   * at once more.
   */
  policyOf(source: string): NamesPolicy | undefined {
    const known = this.#work.bySource.get(source);
    if (known !== undefined || performance.now() - this.#loadedAt < leastPause) return known;
    this.load();
    return this.#work.bySource.get(source);
  }

  #rebuild(): void {
    const all = [...this.#read.values()].map(({ record }) => record);
    this.#broken = all.filter(isBroken);
    this.#all = all.filter((record): record is AttachmentRecord => !isBroken(record));
    this.#records = this.#all.filter(({ state }) => state === 'ready');
    const work = namesWork(this.#records, this.#servers);
    const isSame = JSON.stringify(work.refreshed) === JSON.stringify(this.#work.refreshed);
    this.#work = isSame ? { ...work, refreshed: this.#work.refreshed } : work;
  }
}

/** Each file's key, with what changes when it is replaced. */
function listFiles(): Map<string, string> {
  const folder = `${runDir}/attachments`;
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  } catch {}
  return new Map(
    names.flatMap((name) => {
      const stats = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
      return stats === undefined
        ? []
        : [[name.slice(0, -'.json'.length), `${stats.ino} ${stats.mtimeMs} ${stats.size}`] as const];
    }),
  );
}
