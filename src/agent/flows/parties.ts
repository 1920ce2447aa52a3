import type { Surroundings, Verdict } from '../../egress/judge.ts';
import { findLink } from '../../host/interfaces.ts';
import { byAge } from '../../records/age.ts';
import { addressesOf, ingressInterfaceOf } from '../../records/sections.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { readContainerNames, wordsOf } from '../../repair/survey/container-names.ts';
import { surroundingsOf } from '../../repair/survey/surroundings.ts';
import { verdictOf } from '../../repair/survey/verdict.ts';
import type { FlowRecord } from '../../flows/flow-record.ts';

/** What a verdict is asked for. */
export interface AskedAddress {
  readonly address: string;
  readonly protocol: string;
  readonly port?: number;
  /** A name that the address is known by; its policy may open it for that. */
  readonly name?: string;
}

/** The part of a record that says whose it is. */
export type Owner = Pick<
  FlowRecord,
  'container' | 'containerName' | 'namespace' | 'pod' | 'labels' | 'network' | 'ifname'
>;

/** Milliseconds for which names of runtimes and verdicts are believed: addresses of the host may change. */
const lasting = 10_000;
/** Verdicts that are remembered: a scan asks for more, each once. */
const mostVerdicts = 10_000;

/** Whose an address is, who that is, and what its policy says: for many packets a second. */
export class Parties {
  readonly #records: () => readonly AttachmentRecord[];
  #known: readonly AttachmentRecord[] = [];
  #byAddress = new Map<string, readonly AttachmentRecord[]>();
  #owners = new Map<string, Owner>();
  #surroundings = new Map<string, Surroundings>();
  #verdicts = new Map<string, Verdict>();
  #learntAt = -Infinity;

  /** `records` returns the same array for as long as nothing changes. */
  constructor(records: () => readonly AttachmentRecord[]) {
    this.#records = records;
  }

  /** The attachment that has an address; with two of one address, the one behind the interface of that index. */
  at(address: string, interfaceIndex?: number): AttachmentRecord | undefined {
    this.#refresh();
    const found = this.#byAddress.get(address) ?? [];
    if (found.length < 2 || interfaceIndex === undefined) return found.at(-1);
    return found.find((record) => findLink(ingressInterfaceOf(record) ?? '')?.index === interfaceIndex) ?? found.at(-1);
  }

  owner(record: AttachmentRecord): Owner {
    this.#refresh();
    const known = this.#owners.get(record.key);
    if (known !== undefined) return known;
    const owner = {
      container: record.containerId,
      network: record.network,
      ifname: record.ifname,
    };
    this.#owners.set(record.key, owner);
    return owner;
  }

  verdict(record: AttachmentRecord, asked: AskedAddress): Verdict {
    this.#refresh();
    const key = `${record.key} ${asked.address} ${asked.protocol} ${asked.port ?? ''} ${asked.name ?? ''}`;
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    if (this.#verdicts.size >= mostVerdicts) this.#verdicts.clear();
    const surroundings = this.#surroundings.get(record.key) ?? surroundingsOf(record, this.#known);
    this.#surroundings.set(record.key, surroundings);
    const verdict = verdictOf(
      asked.address,
      { ...asked, host: asked.address, isName: false },
      {
        record,
        surroundings,
        open: asked.name === undefined ? [] : [{ address: asked.address, name: asked.name }],
      },
    );
    this.#verdicts.set(key, verdict);
    return verdict;
  }

  #refresh(): void {
    const records = this.#records();
    const now = performance.now();
    if (records === this.#known && now - this.#learntAt < lasting) return;
    if (records !== this.#known) {
      this.#byAddress = new Map();
      for (const record of records.toSorted(byAge))
        for (const address of addressesOf(record))
          this.#byAddress.set(address, [...(this.#byAddress.get(address) ?? []), record]);
    }
    this.#known = records;
    this.#learntAt = now;
    this.#surroundings = new Map();
    this.#verdicts = new Map();
    const names = readContainerNames();
    this.#owners = new Map(
      records.map((record) => {
        const name = names.get(record.containerId);
        const owner = {
          container: record.containerId,
          ...(name === undefined ? {} : { containerName: wordsOf(name) }),
          ...(name?.namespace === undefined ? {} : { namespace: name.namespace, pod: name.name }),
          ...(record.labels === undefined ? {} : { labels: record.labels }),
          network: record.network,
          ifname: record.ifname,
        };
        return [record.key, owner];
      }),
    );
  }
}
