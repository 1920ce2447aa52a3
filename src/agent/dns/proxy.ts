import type { Asker } from '../names/claims.ts';
import { CniError, codes } from '../../cni/errors.ts';
import type { Element } from '../../nft/element.ts';
import { Admission, type AdmissionLimits } from './admission.ts';
import { answerQuery, type QueryReport } from './answer-query.ts';
import type { ListenAddress, Listener } from './listener.ts';
import { Lookup } from './lookup.ts';
import type { NamesPolicy } from './names-policy.ts';
import { AliasTargets } from './alias-targets.ts';
import { OpenAnswers } from './open-answers.ts';
import { Rates, type Rate } from './rates.ts';
import { isQuery, readQuery } from './read-query.ts';
import { serveTcp } from './serve-tcp.ts';
import { serveUdp } from './serve-udp.ts';
import { udpLimit, writeRefusal } from './write-message.ts';

export interface ProxyOptions {
  /** The policy of whoever has an address; undefined for an address that no attachment has. */
  readonly policyOf: (source: string) => NamesPolicy | undefined;
  /** Addresses of whoever has a name in the network of a source; by default nobody has one. */
  readonly neighbours?: (source: string, name: string) => readonly string[] | undefined;
  /** Puts elements into the kernel (names/opener.ts). */
  readonly open: (elements: readonly Element[], asker: Asker) => Promise<void>;
  readonly lookup?: Lookup;
  /** Milliseconds that `open` has before the answer is SERVFAIL; default 2000. */
  readonly openDeadline?: number;
  /** Queries under way; default 1024 in all and 128 for one source. */
  readonly limits?: AdmissionLimits;
  /** Queries of one container; what is over waits by TCP and is dropped by UDP. */
  readonly rate?: Rate;
  readonly report?: (report: QueryReport) => void;
}

/**
 * The DNS server that containers are redirected to. It starts without an address: the gateways of bridges come
 * and go.
 *
 * A query over the limits is dropped by UDP, where clients repeat it, and ends the connection by TCP.
 */
export class DnsProxy {
  readonly #options: ProxyOptions;
  readonly #lookup: Lookup;
  readonly #admission: Admission;
  readonly #rates = new Rates();
  readonly #aliases = new AliasTargets();
  readonly #openAnswers = new OpenAnswers();
  readonly #listeners = new Map<string, { port: number; listeners: readonly Listener[] }>();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? new Lookup();
    this.#admission = new Admission(options.limits ?? { total: 1024, perSource: 128 });
  }

  /**
   * Takes queries at an address, by UDP and TCP, and returns the port; nothing to do when it already does.
   *
   * Throws {@link CniError} with code 100 when the host lacks the address, or another server has the port.
   */
  async listen({ address, port }: ListenAddress): Promise<number> {
    const known = this.#listeners.get(address);
    if (known !== undefined) return known.port;
    const tcp = await this.#start(serveTcp, { address, port }, 'TCP');
    try {
      const udp = await this.#start(serveUdp, { address, port: tcp.port }, 'UDP');
      this.#listeners.set(address, { port: tcp.port, listeners: [tcp, udp] });
      return tcp.port;
    } catch (error) {
      await tcp.close();
      throw error;
    }
  }

  /** Takes queries at an address no longer. What is under way there gets no answer; clients ask again. */
  async unlisten(address: string): Promise<void> {
    const known = this.#listeners.get(address);
    this.#listeners.delete(address);
    await Promise.all((known?.listeners ?? []).map((listener) => listener.close()));
  }

  get addresses(): string[] {
    return [...this.#listeners.keys()];
  }

  /** Queries that are being answered. */
  get underWay(): number {
    return this.#admission.total;
  }

  async close(): Promise<void> {
    await Promise.all(this.addresses.map((address) => this.unlisten(address)));
  }

  async #start(serve: typeof serveUdp, at: ListenAddress, protocol: string): Promise<Listener> {
    try {
      return await serve(at, (message, source, by) => this.#handle(message, source, by));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new CniError(
        codes.commandFailed,
        `Cannot serve DNS at "${at.address}", port ${at.port} by ${protocol}: ${problems[code] ?? code}`,
        'Let the other server listen on addresses of its own ("bind-interfaces" of dnsmasq, "DNSStubListenerExtra" of systemd-resolved), or stop it',
        { cause: error },
      );
    }
  }

  async #handle(message: Buffer, source: string, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    if (!this.#admission.enter(source)) return undefined;
    try {
      if (!(await this.#pace(source, protocol))) return undefined;
      const query = readQuery(message);
      if (!isQuery(query)) return query.drop ? undefined : writeRefusal(query.id, query.rcode, query.question);
      const { neighbours = () => undefined, open, openDeadline = 2000, policyOf, report } = this.#options;
      const limit = protocol === 'udp' ? udpLimit(query) : 0xffff;
      const asking = { source, limit, policy: policyOf(source) };
      return await answerQuery(query, asking, {
        aliases: this.#aliases,
        lookup: this.#lookup,
        openAnswers: this.#openAnswers,
        rates: this.#rates,
        neighbours,
        open,
        openDeadline,
        ...(report === undefined ? {} : { report }),
        pace: (queries) => this.#paceMore(source, protocol, queries),
      });
    } catch {
      return undefined;
    } finally {
      this.#admission.leave(source);
    }
  }

  /** A long answer waits for its turn; a short one has had it. */
  async #paceMore(source: string, protocol: 'udp' | 'tcp', queries: number): Promise<boolean> {
    if (queries < 1) return true;
    const wait = this.#rates.wait(source, this.#rate);
    this.#rates.charge(source, this.#rate, queries);
    if (wait === 0) return true;
    if (protocol === 'udp') return false;
    await new Promise((resolve) => setTimeout(resolve, wait));
    return true;
  }

  get #rate(): Rate {
    return this.#options.rate ?? usualRate;
  }

  /** A connection that waits is not read from, so that its client's kernel waits too. */
  async #pace(source: string, protocol: 'udp' | 'tcp'): Promise<boolean> {
    const rate = this.#rate;
    while (!this.#rates.take(source, rate)) {
      if (protocol === 'udp') return false;
      await new Promise((resolve) => setTimeout(resolve, Math.max(10, this.#rates.wait(source, rate))));
    }
    return true;
  }
}

/** As the kernel lets through of one container (dataplane/catalogue/bounds.ts), which does not count queries by TCP. */
const usualRate: Rate = { perSecond: 500, burst: 1000 };

const problems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another server has it',
  EADDRNOTAVAIL: 'the host does not have the address',
  EACCES: 'only root may take a port below 1024',
};
