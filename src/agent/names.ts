import { endDnsFlowsOf } from '../host/conntrack.ts';
import { tryTransaction } from '../host/nft.ts';
import { readPolicyName } from '../egress/policy-names.ts';
import { recallName } from '../egress/names-store.ts';
import { uptime } from '../host/uptime.ts';
import { plainText, type Element } from '../nft/element.ts';
import { comparisonTexts, putSteps } from '../dataplane/transaction.ts';
import { rememberedElements } from '../records/remembered-elements.ts';
import type { AttachmentRecord } from '../records/record.ts';
import type { QueryReport } from './dns/answer-query.ts';
import type { DnsServer, DnsServerOptions } from './dns/dns-server.ts';
import type { RefusedQueries } from './dns/process/messages.ts';
import type { Crowd } from './names/claims.ts';
import { ForcedDns } from './forced-dns.ts';
import type { HostState } from './host-state.ts';
import { elementsOfLearnt, learntOf, recallLearnt, rememberLearnt, type LearntAddress } from './learnt.ts';
import { namesWork } from './names/from-records.ts';
import { commitSteps } from '../dataplane/commit-steps.ts';
import { noteReport } from './names/note-report.ts';
import { FullSets } from './names/full-sets.ts';
import { openLearnt } from './names/open-learnt.ts';
import { Opener } from './names/opener.ts';
import type { CountMemory } from '../repair/count-memory.ts';
import { repairTables, type TablesSource } from '../repair/tables.ts';
import { systemReason } from '../text/system-error.ts';
import { NamesRefresh, type RefreshReport } from './names/refresh.ts';
import { RefusedNames } from './names/refused-names.ts';
import { ToldNames } from './names/told-names.ts';

export interface NamesOptions {
  readonly state: HostState;
  /** What our tables counted, which goes into new ones. */
  readonly counted: CountMemory;
  /** Makes who answers DNS. */
  readonly answering: (options: DnsServerOptions) => DnsServer;
  readonly onQuery: (report: QueryReport) => void;
  /** Who answers DNS ended by itself. */
  readonly onEnd: (reason: string) => void;
  readonly onRefused: (refused: readonly RefusedQueries[]) => void;
  readonly onCrowd: (crowds: readonly Crowd[]) => void;
  readonly onRefresh: (report: RefreshReport) => void;
  /** A set was full of addresses that were not ours, and was written anew. */
  readonly onOverfilled: () => void;
}

/** Everything about names: the proxy, its redirections, the refresh, and what they have open. */
export class Names {
  /** What a rebuild of the tables is made of: the records, and what names have open. */
  readonly tables: TablesSource;
  /** What addresses were called in answers to containers. */
  readonly told = new ToldNames();
  /** Names that containers asked for and may not have. */
  readonly refused = new RefusedNames();
  readonly #state: HostState;
  readonly #opener: Opener;
  readonly #refresh: NamesRefresh;
  readonly #server: DnsServer;
  readonly #forced: ForcedDns;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #following: Promise<void> = Promise.resolve();
  #nextFollow: Promise<void> | undefined;
  #recalled: readonly LearntAddress[] = [];
  #remembering: NodeJS.Timeout | undefined;
  #restAfterWriting = 1000;
  #forgetful: string | undefined;

  constructor({
    state,
    counted,
    answering,
    onQuery,
    onEnd,
    onRefused,
    onCrowd,
    onRefresh,
    onOverfilled,
  }: NamesOptions) {
    this.#state = state;
    this.tables = {
      records: () => {
        state.load();
        return state.records;
      },
      broken: () => state.broken,
      expiring: (records) => this.expiring(records),
      counted: () => counted.elements,
    };
    const fullSets = new FullSets(this.tables, onOverfilled);
    this.#opener = new Opener({
      commit: commitSteps,
      repair: async (outcome) => (outcome === 'full' ? fullSets.empty() : void (await repairTables(this.tables))),
      onCrowd,
    });
    this.#refresh = new NamesRefresh({
      policies: () => state.work.refreshed,
      open: (elements) => this.#openWanted(elements),
      report: onRefresh,
    });
    this.#server = answering({
      open: (elements, asker) => this.#opener.open(elements, asker),
      report: (report) => {
        noteReport(this.#refresh, state.work, report);
        this.told.note(report);
        if (report.addresses.length > 0) this.#rememberSoon();
        onQuery(report);
      },
      ended: onEnd,
      refused: (refused) => {
        this.refused.note(refused);
        onRefused(refused);
      },
    });
    this.#forced = new ForcedDns({
      proxy: this.#server,
      put: (elements) => this.#put(elements),
      takeOver: async (addresses) => void (await endDnsFlowsOf(addresses)),
    });
  }

  /** Begins to answer and to refresh, with what was open when the last agent ended. */
  async start(): Promise<void> {
    this.#recalled = await recallLearnt();
    // Containers that an earlier agent redirected are waiting for answers.
    await this.follow();
    await this.reopen().catch(() => {});
    this.#running = this.#refresh.run(this.#stop.signal);
    await this.follow();
  }

  /** Takes in a change of what is attached. Who asks while that is under way is served by one more, together. */
  follow(): Promise<void> {
    if (this.#nextFollow !== undefined) return this.#nextFollow;
    const next = this.#following.then(async () => {
      this.#nextFollow = undefined;
      await this.#follow();
    });
    this.#nextFollow = next;
    this.#following = next.catch(() => {});
    return next;
  }

  async #follow(): Promise<void> {
    this.#state.load();
    const policies = new Set(this.#state.work.refreshed.map(({ policyId }) => policyId));
    this.#opener.forget(({ set }) => !policies.has(readPolicyName(set)?.id ?? ''));
    this.#refresh.wake();
    this.told.keep(this.#state.work.bySource);
    this.refused.keep(this.#state.work.bySource);
    await this.#server.follow().catch(() => {});
    await this.#forced.follow(this.#state.records);
  }

  /** Expiring elements that belong in the tables for these records: what a rebuild has to put again. */
  expiring(records: readonly AttachmentRecord[]): Element[] {
    const { refreshed } = namesWork(records, []);
    const policies = new Set(refreshed.map(({ policyId }) => policyId));
    const open = this.#opener.elements().filter(({ set }) => policies.has(readPolicyName(set)?.id ?? ''));
    const interfaces = new Set(records.flatMap(({ egress }) => egress?.addresses ?? []));
    const forced = this.#forced.elements().filter(({ key }) => interfaces.has(plainText(key[1] ?? '')));
    return [...elementsOfLearnt(this.#recalled, refreshed, uptime()), ...open, ...forced];
  }

  /** What the names of a record's policy have open: from memory, or from the files for a name that is new. */
  remembered(record: AttachmentRecord): Promise<readonly Element[]> {
    return rememberedElements(
      record,
      async (name, servers) => this.#refresh.known(name, servers) ?? recallName(name, servers),
    );
  }

  /**
   * As {@link expiring}, with what containers learnt under policies that are about to be replaced, as far as the new
   * ones list it too.
   */
  carriedOver(records: readonly AttachmentRecord[]): Element[] {
    const now = uptime();
    const before = learntOf(this.#opener.elements(), this.#state.work.refreshed, {
      now,
      sourceOf: (element) => this.#opener.askerOf(element)?.source,
    });
    const next = new Map(this.#state.records.map(({ key, egress }) => [key, egress?.policyId]));
    const moves = records.flatMap(({ key, egress }) =>
      egress === undefined ? [] : [{ from: next.get(key), to: egress.policyId }],
    );
    const moved = moves.flatMap(({ from, to }) =>
      from === to ? [] : before.filter(({ policyId }) => policyId === from).map((one) => ({ ...one, policyId: to })),
    );
    this.#recalled = [...this.#recalled, ...moved];
    return this.expiring(records);
  }

  /** Puts everything again that was open: somebody wrote the tables anew, or this agent has just begun. */
  async reopen(): Promise<void> {
    const { refreshed } = this.#state.work;
    const recalled = this.#recalled;
    const policies = new Set(refreshed.map(({ policyId }) => policyId));
    const open = this.#opener.elements().filter(({ set }) => policies.has(readPolicyName(set)?.id ?? ''));
    // Nothing to do after a repair of our own, which put them too.
    const isThere = recalled.length === 0 && (await tryTransaction(comparisonTexts(open, []).keys)) === 'committed';
    if (open.length > 0 && !isThere) await this.#opener.open(open, 'again');
    await openLearnt(this.#opener, recalled, refreshed);
    // The opener knows them now.
    this.#recalled = this.#recalled.filter((one) => !recalled.includes(one));
    await this.#forced.renew();
  }

  /** Keeps the redirections alive, and tries again where no queries could be taken. */
  async renew(): Promise<void> {
    await (this.#forced.problems.length > 0 ? this.#forced.follow(this.#state.records) : this.#forced.renew());
  }

  /** Asks for every name now. */
  refreshAll(): Promise<RefreshReport[]> {
    return this.#refresh.refreshAll();
  }

  /** What is open, with the seconds that are left. */
  get open(): readonly Element[] {
    return this.#opener.elements();
  }

  /** Addresses at which queries are taken. */
  get addresses(): readonly string[] {
    return this.#server.addresses;
  }

  /** Names that policies list. */
  get wanted(): ReadonlySet<string> {
    return new Set(this.#state.work.refreshed.flatMap((policy) => policy.names.map(({ name }) => name)));
  }

  /** Addresses at which no queries can be taken, and what else does not work, one sentence each. */
  get problems(): readonly string[] {
    return [
      ...this.#server.problems,
      ...this.#forced.problems,
      ...(this.#forgetful === undefined ? [] : [this.#forgetful]),
    ];
  }

  async stop(): Promise<void> {
    await this.#forced.stop();
    this.#stop.abort();
    clearTimeout(this.#remembering);
    this.#rememberLearnt();
    await Promise.all([this.#running, this.#server.close()]);
  }

  /** A policy may go while one of its names is resolved: what was for it alone is nobody's any more. */
  async #openWanted(elements: readonly Element[]): Promise<void> {
    try {
      await this.#opener.open(elements);
    } catch (error) {
      this.#state.load();
      const policies = new Set(this.#state.work.refreshed.map(({ policyId }) => policyId));
      const wanted = elements.filter(({ set }) => policies.has(readPolicyName(set)?.id ?? ''));
      if (wanted.length === elements.length) throw error;
      if (wanted.length > 0) await this.#opener.open(wanted);
    }
  }

  #rememberSoon(): void {
    this.#remembering ??= setTimeout(() => {
      this.#remembering = undefined;
      const began = performance.now();
      this.#rememberLearnt();
      // A long list takes its time to write: it is not to take more than a twentieth of all.
      this.#restAfterWriting = Math.max(1000, 20 * (performance.now() - began));
    }, this.#restAfterWriting);
  }

  #rememberLearnt(): void {
    try {
      rememberLearnt(
        learntOf(this.#opener.elements(), this.#state.work.refreshed, {
          now: uptime(),
          sourceOf: (element) => this.#opener.askerOf(element)?.source,
        }),
      );
      this.#forgetful = undefined;
    } catch (error) {
      // It serves a crash that meets a flush; a full disk must not stop what works.
      this.#forgetful = `Cannot remember what names opened: ${systemReason(error)}`;
    }
  }

  async #put(elements: readonly Element[]): Promise<void> {
    if (elements.length === 0) return;
    await commitSteps(putSteps(elements));
  }
}
