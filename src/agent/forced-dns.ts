import { familyOf } from '../ip/family.ts';
import { isAnsweredByAgent } from '../egress/dns-service.ts';
import { CniError } from '../cni/errors.ts';
import type { Element } from '../nft/element.ts';
import type { AttachmentRecord, EgressRecord } from '../records/record.ts';
import type { DnsServer } from './dns/dns-server.ts';
import { namesWork } from './names/from-records.ts';

export interface ForcedDnsOptions {
  readonly proxy: Pick<DnsServer, 'listen' | 'unlisten' | 'addresses'>;
  /** Puts expiring elements into the kernel. */
  readonly put: (elements: readonly Element[]) => Promise<void>;
  /** Ends flows of containers to DNS servers that began before it was redirected. */
  readonly takeOver: (addresses: readonly string[]) => Promise<void>;
}

/**
 * Seconds that a container's DNS comes to us after the last renewal: so long is the fall back of an agent that was
 * killed.
 */
const lasting = 30;

/**
 * Sends port 53 of containers under a list to the proxy, for as long as the proxy is there: the
 * elements that do it run out, and are renewed from here. When the agent dies their DNS is again what `hostPorts`
 * makes of it.
 *
 * It is a service on the gateway, so it comes under `hostAccess`: a policy that keeps the container from port 53 of
 * the host ("none", or "hostPorts" without it) is obeyed, and then nothing is redirected. Its names are kept
 * open by the refresh alone.
 */
export class ForcedDns {
  readonly #options: ForcedDnsOptions;
  #records: readonly EnforcedRecord[] = [];
  readonly #problems = new Map<string, string>();
  #lasting = lasting;
  #taken: ReadonlySet<string> = new Set();
  #last: Promise<void> = Promise.resolve();

  constructor(options: ForcedDnsOptions) {
    this.#options = options;
  }

  /** Takes queries at the gateways of these records' containers, and no longer at others. Never throws. */
  async follow(records: readonly AttachmentRecord[]): Promise<void> {
    if (this.#lasting !== lasting) return;
    this.#records = records.filter(isForced);
    const { proxy } = this.#options;
    const wanted = namesWork(this.#records, []).gateways;
    for (const address of proxy.addresses.filter((one) => !wanted.includes(one))) await proxy.unlisten(address);
    for (const address of this.#problems.keys()) if (!wanted.includes(address)) this.#problems.delete(address);
    await Promise.all(wanted.map(async (address) => this.#listen(address)));
    await this.renew();
    await this.#takeOver();
  }

  /** Elements as they are to be put now. A family is left alone while nobody takes its queries. */
  elements(): Element[] {
    const { addresses } = this.#options.proxy;
    return this.#records.flatMap((record) => {
      const served = new Set(record.egress.gateways.filter((gateway) => addresses.includes(gateway)).map(familyOf));
      const { forced } = namesWork([record], []);
      return forced
        .filter(({ set }) => served.has(set.endsWith('6') ? 6 : 4))
        .map((element) => ({ ...element, timeout: this.#lasting }));
    });
  }

  /** Never throws: when it fails, it is the tables that are missing, and they are being put back. */
  async renew(): Promise<void> {
    // One after the other: the last word at the end is to be ours.
    this.#last = this.#last.then(async () => this.#options.put(this.elements()).catch(() => {}));
    await this.#last;
  }

  /** Why queries are not taken, by address. */
  get problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  /** Lets the redirections run out now. */
  async stop(): Promise<void> {
    this.#lasting = 1;
    await this.renew();
  }

  /** The kernel redirects a flow when it begins: what a container asked another server before goes on to there. */
  async #takeOver(): Promise<void> {
    const forced = new Set(
      this.#records.filter((record) => this.#isServed(record)).flatMap(({ egress }) => egress.addresses),
    );
    const fresh = [...forced].filter((address) => !this.#taken.has(address));
    this.#taken = forced;
    if (fresh.length > 0) await this.#options.takeOver(fresh);
  }

  #isServed({ egress }: EnforcedRecord): boolean {
    return egress.gateways.some((gateway) => this.#options.proxy.addresses.includes(gateway));
  }

  async #listen(address: string): Promise<void> {
    try {
      await this.#options.proxy.listen({ address, port: 53 });
      this.#problems.delete(address);
    } catch (error) {
      this.#problems.set(address, error instanceof CniError ? error.message : String(error));
    }
  }
}

type EnforcedRecord = AttachmentRecord & { readonly egress: EgressRecord };

function isForced(record: AttachmentRecord): record is EnforcedRecord {
  return record.state === 'ready' && record.egress !== undefined && isAnsweredByAgent(record.egress.policy);
}
