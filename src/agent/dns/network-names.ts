import { nerdctlId } from '../../host/container-names/find-name.ts';
import { readContainerNames } from '../../repair/survey/container-names.ts';
import { shortId } from '../../repair/survey/words.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf } from '../../records/sections.ts';

/** Milliseconds between two looks at what runtimes call containers, which reads files of theirs. */
const leastPause = 1000;

/** What runtimes call containers, by their ids; a pod's name without its namespace. */
type ReadNames = () => ReadonlyMap<string, { readonly name: string }>;

/**
 * The names of containers, each told to those of its own network alone: what a runtime calls it, and its short id, with
 * and without the name of the network behind. A name with dots is none: it could be anybody's in DNS.
 */
export class NetworkNames {
  readonly #records: () => readonly AttachmentRecord[];
  readonly #readNames: ReadNames;
  readonly #now: () => number;
  #made: readonly AttachmentRecord[] | undefined;
  #names: ReturnType<ReadNames> = new Map();
  #readAt = -Infinity;
  #networks: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #addresses: ReadonlyMap<string, readonly string[]> = new Map();

  /** `records` gives the same array for as long as nothing changes. */
  constructor(
    records: () => readonly AttachmentRecord[],
    readNames: ReadNames = readContainerNames,
    now: () => number = () => performance.now(),
  ) {
    this.#records = records;
    this.#readNames = readNames;
    this.#now = now;
  }

  /** Addresses of whoever has a name in a network of the container that has `source`; undefined where nobody has. */
  find(source: string, name: string): readonly string[] | undefined {
    if (this.#made !== this.#records()) this.#make();
    return this.#known(source, name) ?? (this.#readAnew() ? this.#known(source, name) : undefined);
  }

  #known(source: string, name: string): readonly string[] | undefined {
    const found = [...(this.#networks.get(source) ?? [])].flatMap(
      (network) => this.#addresses.get(keyOf(network, name)) ?? [],
    );
    return found.length === 0 ? undefined : [...new Set(found)];
  }

  /** A runtime may write a name down when the container has its network already. */
  #readAnew(): boolean {
    if (this.#now() - this.#readAt < leastPause) return false;
    this.#readAt = this.#now();
    this.#names = this.#readNames();
    this.#make();
    return true;
  }

  #make(): void {
    const records = this.#records();
    const owned = records.map((record) => ({ record, addresses: addressesOf(record) }));
    const networks = new Map<string, Set<string>>();
    const addresses = new Map<string, string[]>();
    for (const { record, addresses: own } of owned) {
      const { network } = record;
      for (const address of own) networks.set(address, (networks.get(address) ?? new Set()).add(network));
      for (const name of this.#namesOf(record)) {
        const key = keyOf(network, name);
        addresses.set(key, [...(addresses.get(key) ?? []), ...own]);
      }
    }
    [this.#made, this.#networks, this.#addresses] = [records, networks, addresses];
  }

  #namesOf({ containerId, network }: AttachmentRecord): string[] {
    const names = [this.#names.get(containerId)?.name ?? '', shortId(nerdctlId.exec(containerId)?.[2] ?? containerId)];
    return names
      .filter((name) => /^[\w-]+$/u.test(name))
      .flatMap((name) => [name, `${name}.${network}`])
      .map((name) => name.toLowerCase());
  }
}

function keyOf(network: string, name: string): string {
  return `${network} ${name}`;
}
