import type { Server } from 'node:net';
import { claimHost } from './claim.ts';
import { Health } from './health.ts';
import type { FlowDestinations } from './flows/exports/sink.ts';
import { HostState } from './host-state.ts';
import { ClusterService } from '../kubernetes/cluster-service.ts';
import { NodesService } from '../kubernetes/nodes-service.ts';
import { PodPoliciesService } from '../kubernetes/pod-policies-service.ts';
import { openLog, type Log, type LogLevel } from './log.ts';
import { Metrics } from './metrics/metrics.ts';
import type { Service } from './service.ts';
import { CountsService } from './services/counts.ts';
import { FirstBytesService } from './services/first-bytes.ts';
import { FlowsService } from './services/flows.ts';
import { MetricsService } from './services/metrics.ts';
import { NamesService } from './services/names.ts';
import { PageService, type ServePage } from './services/page.ts';
import { PassingPoliciesService } from './services/passing-policies.ts';
import { PoliciesService } from './services/policies.ts';
import { ProgramsService } from './services/programs.ts';
import { QuotasService } from './services/quotas.ts';
import { RepairService } from './services/repair.ts';
import { SocketService } from './services/socket.ts';
import { SweepService } from './services/sweep.ts';
import { SystemdService } from './services/systemd.ts';
import { WatchService } from './services/watch.ts';

export interface AgentOptions {
  readonly version: string;
  /** Remove attachments whose container is gone, `graceSeconds` after that was seen; else report them. */
  readonly clean: boolean;
  readonly graceSeconds: number;
  /** "127.0.0.1:9440": serve metrics there too. */
  readonly metricsAddress?: string;
  /** Where records of flows go besides our own files. */
  readonly flowDestinations: FlowDestinations;
  /** It is a node of a cluster. */
  readonly cluster?: ClusterConf;
  readonly logLevel: LogLevel;
  /** Serves the page when somebody asks for it. */
  readonly servePage?: ServePage;
  /** Ends the agent. */
  readonly signal: AbortSignal;
  /** Calls back when everything is to be looked at now: SIGHUP. */
  readonly onReload?: (reload: () => void) => void;
}

export interface ClusterConf {
  /** Name of the Node that this host is. */
  readonly node: string;
  /** Ranges of all pods of the cluster; empty: those of the nodes that are known. */
  readonly podNetworks: readonly string[];
  /** Whether the executable is put where the node's runtime looks for plugins. */
  readonly installs: boolean;
}

/** Milliseconds in which what a service cannot do any more comes into the log. */
const telling = 5000;

/**
 * The resident process: keeps names right, puts back what others remove, applies changed policies, and answers at the
 * socket. Returns when the signal came and everything is put away.
 *
 * Whatever the kernel has stays there when it ends, in whatever way: rules, addresses of names with the time that they
 * have left. Only redirected DNS goes back to what `hostPorts` makes of it.
 *
 * Throws code 11 when the host has an agent, 5 when the socket cannot be made, 7 or 100 for an address of metrics that
 * cannot be had.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { onReload, signal, version } = options;
  const log = openLog(options.logLevel);
  await using closing = new AsyncDisposableStack();
  const server = await claimHost();
  closing.defer(() => void server.close());
  log.info({ version, pid: process.pid }, 'agent starts');
  const health = new Health(log);
  const { reload, services, summary } = assemble(options, server, health, log);
  for (const service of services) {
    health.add(service);
    closing.defer(() => service.stop());
    await service.start();
  }
  health.tell();
  const timer = setInterval(() => health.tell(), telling);
  closing.defer(() => clearInterval(timer));
  log.info(summary(), 'agent is ready');
  onReload?.(() => {
    log.info('agent looks at everything');
    reload().catch((error: unknown) => log.error({ err: error }, 'cannot look at everything'));
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  log.info('agent stops');
}

interface Assembly {
  /** In the order in which they start. */
  readonly services: readonly Service[];
  readonly reload: () => Promise<unknown>;
  readonly summary: () => { attachments: number; names: number; dns: readonly string[] };
}

/** Each service is made of those that are made before it. */
function assemble(options: AgentOptions, server: Server, health: Health, log: Log): Assembly {
  const { version } = options;
  const state = new HostState();
  const metrics = new Metrics();
  const counts = new CountsService(state);
  const flows: FlowsService = new FlowsService({
    state,
    metrics,
    nameOf: (address) => names.names.told.nameOf(address),
    version,
    destinations: options.flowDestinations,
  });
  const names: NamesService = new NamesService({
    state,
    counted: counts.memory,
    metrics,
    log,
    onQuery: (report) => flows.noteQuery(report),
  });
  const known = { state, names: names.names, metrics, log };
  const repair = new RepairService(known);
  const firstBytes = new FirstBytesService({ ...known, onRefused: (refusals) => flows.noteRefusals(refusals) });
  const policies = new PoliciesService({ ...known, checked: () => firstBytes.connections() });
  const watch = new WatchService({ ...known, firstBytes, flows, policies, repair });
  const passing = new PassingPoliciesService({ state, log, apply: () => policies.apply() });
  const quotas = new QuotasService({ state, metrics, log });
  const sweep = new SweepService({ ...options, state, metrics, log });
  const programs = new ProgramsService({ version, repair, metrics, log });
  const cluster = assembleCluster(options.cluster, { state, metrics, log });
  const page = new PageService({ serve: options.servePage, follow: () => flows.follow() });
  const socket = new SocketService({
    page,
    server,
    version,
    state,
    health,
    metrics,
    names,
    flows,
    policies,
    programs,
    quotas,
    repair,
    sweep,
    pods: cluster.pods,
  });
  const served = new MetricsService({ version, address: options.metricsAddress, state, health, metrics });
  const systemd = new SystemdService({
    isStuck: () => repair.isStuck,
    summary: () =>
      `${state.records.length} attachments, ${names.names.wanted.size} names, ${repair.history.count} repairs`,
  });
  return {
    // Whoever is asked answers from the beginning. What changes from then on is seen before what was lost is put back.
    services: [
      socket,
      page,
      served,
      counts,
      flows,
      names,
      firstBytes,
      watch,
      repair,
      policies,
      passing,
      quotas,
      sweep,
      programs,
      ...cluster.services,
      systemd,
    ],
    reload: async () => {
      await policies.apply();
      await repair.lookNow();
    },
    summary: () => ({
      attachments: state.records.length,
      names: names.names.wanted.size,
      dns: names.names.addresses,
    }),
  };
}

/** What an agent has besides on a node of a cluster. */
function assembleCluster(
  cluster: ClusterConf | undefined,
  known: { readonly state: HostState; readonly metrics: Metrics; readonly log: Log },
): { readonly pods: PodPoliciesService | undefined; readonly services: readonly Service[] } {
  if (cluster === undefined) return { pods: undefined, services: [] };
  const pods = new PodPoliciesService(known);
  const nodes = new NodesService({ ...cluster, log: known.log });
  const api = new ClusterService({ ...cluster, followers: [pods, nodes], log: known.log });
  return { pods, services: [pods, nodes, api] };
}
