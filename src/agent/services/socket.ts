import { statSync } from 'node:fs';
import type { Server } from 'node:net';
import type { Grant } from '../../egress/policy.ts';
import { socketPath } from '../claim.ts';
import type { Health } from '../health.ts';
import type { HostState } from '../host-state.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Service } from '../service.ts';
import { serveProtocol } from '../socket/protocol.ts';
import type { AgentStatus } from '../status.ts';
import type { PodPoliciesService } from '../../kubernetes/pod-policies-service.ts';
import type { FlowsService } from './flows.ts';
import type { NamesService } from './names.ts';
import type { PageService } from './page.ts';
import type { PoliciesService } from './policies.ts';
import type { ProgramsService } from './programs.ts';
import type { QuotasService } from './quotas.ts';
import type { RepairService } from './repair.ts';
import type { SweepService } from './sweep.ts';

export interface SocketServiceOptions {
  readonly server: Server;
  readonly version: string;
  readonly state: HostState;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly names: NamesService;
  readonly flows: FlowsService;
  readonly page: PageService;
  readonly policies: PoliciesService;
  readonly programs: ProgramsService;
  readonly quotas: QuotasService;
  readonly repair: RepairService;
  readonly sweep: SweepService;
  /** On a node of a cluster. */
  readonly pods: PodPoliciesService | undefined;
}

/** Answers at the agent's socket, from before its other services work. */
export class SocketService implements Service {
  readonly name = 'socket';
  readonly #options: SocketServiceOptions;
  readonly #startedAt = new Date().toISOString();
  #protocol: { close(): Promise<void> } | undefined;
  #inode: number | undefined;

  constructor(options: SocketServiceOptions) {
    this.#options = options;
  }

  start(): void {
    const { flows, metrics, names, page, quotas, repair, server } = this.#options;
    this.#inode = inode();
    this.#protocol = serveProtocol(server, {
      status: () => this.#status(),
      names: () => names.status(),
      seen: () => names.names.told.list(),
      refused: () => names.names.refused.list(),
      bounds: () => names.metBounds.list(),
      attached: () => names.names.follow(),
      refresh: () => this.#refresh(),
      grant: (params) => this.#grant(params),
      repair: () => repair.lookNow(),
      metrics: () => metrics.text(),
      flows: () => flows.write(),
      follow: () => flows.follow(),
      account: () => flows.account(),
      page: (params) => page.open(params),
      quotas: () => quotas.look(),
      pod: ({ key }) => this.#options.pods?.added(String(key)) ?? notOfCluster,
    });
  }

  async stop(): Promise<void> {
    await this.#protocol?.close();
  }

  health(): readonly string[] {
    if (inode() === this.#inode) return [];
    return [`Cannot answer: somebody removed or replaced the socket "${socketPath}"; restart the agent`];
  }

  #status(): AgentStatus {
    const { health, names, policies, programs, repair, state, sweep, version } = this.#options;
    const { services } = health;
    return {
      protocol: 1,
      version,
      pid: process.pid,
      startedAt: this.#startedAt,
      attachments: state.records.length,
      names: names.names.wanted.size,
      openAddresses: names.names.open.length,
      dns: { addresses: names.names.addresses, queries: names.queries, problems: names.names.problems },
      invalidPolicies: [...policies.invalid].map(([policy, why]) => ({ policy, why })),
      dead: sweep.dead,
      repairs: repair.history.count,
      lastRepairs: repair.history.last,
      programs: programs.list,
      services,
      problems: services.flatMap(({ problems }) => problems),
    };
  }

  /** Puts in force what attachments are granted, and asks for the names of it. */
  async #grant({ grants }: Readonly<Record<string, unknown>>): Promise<{ problems: readonly string[] }> {
    const { names, policies } = this.#options;
    await policies.apply(new Map(grants as readonly (readonly [string, readonly Grant[]])[]));
    if ((grants as readonly (readonly [string, readonly Grant[]])[]).some(([, own]) => own.length > 0))
      await names.names.refreshAll();
    return { problems: policies.health() };
  }

  /** Reads the policies again, and asks for every name now. */
  async #refresh(): Promise<{ names: number; problems: readonly string[] }> {
    const { names, policies } = this.#options;
    await policies.apply();
    const reports = await names.names.refreshAll();
    return { names: reports.length, problems: [...policies.health(), ...reports.flatMap(({ problems }) => problems)] };
  }
}

const notOfCluster = { problem: 'the agent of this node was started without --kubernetes' };

function inode(): number | undefined {
  return statSync(socketPath, { throwIfNoEntry: false })?.ino;
}
