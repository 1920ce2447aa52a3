import { policiesFolder } from '../egress/load-policy.ts';
import { runDir } from '../host/paths.ts';
import { claimHost } from './claim.ts';
import { freeLeases } from './free-leases.ts';
import { HostState } from './host-state.ts';
import { LivePolicies } from './live-policies.ts';
import { openLog, type LogLevel } from './log.ts';
import { Metrics } from './metrics/metrics.ts';
import { metricsSource } from './metrics/source.ts';
import { serveMetrics } from './metrics/serve-metrics.ts';
import { NamesService } from './names-service.ts';
import type { RefreshReport } from './names/refresh.ts';
import { CountMemory } from '../repair/count-memory.ts';
import { repairFirewalls } from '../repair/firewalls.ts';
import { repairGates } from '../repair/gates.ts';
import { repairIndex } from '../repair/index-files.ts';
import { repairLinks } from '../repair/links.ts';
import { Repairer } from '../repair/repairer.ts';
import { repairChains } from '../repair/chains.ts';
import { repairTables, type TablesSource } from '../repair/tables.ts';
import { serveProtocol } from './socket/protocol.ts';
import { namesStatus, RepairHistory, type AgentStatus } from './status.ts';
import { Sweep } from './sweep.ts';
import { serviceManager } from './systemd.ts';
import { watchFolder } from './watch/folder.ts';
import { Monitors } from './watch/monitors.ts';
import { everythingOf } from '../repair/change-event.ts';

export interface AgentOptions {
  readonly version: string;
  /** Remove attachments whose container is gone, `graceSeconds` after that was seen; else report them. */
  readonly clean: boolean;
  readonly graceSeconds: number;
  /** "127.0.0.1:9440": serve metrics there too. */
  readonly metricsAddress?: string;
  readonly logLevel: LogLevel;
  /** Ends the agent. */
  readonly signal: AbortSignal;
  /** Calls back when everything is to be looked at now: SIGHUP. */
  readonly onReload?: (reload: () => void) => void;
}

/** Milliseconds between looks at what nobody tells of: sysctls, iptables-legacy, records that are dead. */
const slowly = 30_000;
/** One look of so many is at the rules too: they are watched, and comparing all of them costs a full host most. */
const thorough = 10;
/** Milliseconds; redirections last three times as long. */
const tick = 10_000;

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
  const log = openLog(options.logLevel);
  await using closing = new AsyncDisposableStack();
  const server = await claimHost();
  closing.defer(() => void server.close());
  log.info({ version: options.version, pid: process.pid }, 'agent starts');
  await freeLeases(log);

  const startedAt = new Date().toISOString();
  const history = new RepairHistory();
  const lastReports = new Map<string, RefreshReport>();
  let [queries, looks] = [0, 0];
  const state = new HostState();
  const counted = new CountMemory();
  const tables: TablesSource = {
    records: () => {
      state.load();
      return state.records;
    },
    broken: () => state.broken,
    expiring: (records) => names.expiring(records),
    counted: () => counted.elements,
  };
  const names = new NamesService({
    state,
    repair: async () => void (await repairTables(tables)),
    onQuery: (report) => {
      queries += 1;
      metrics.query(report);
      log.debug(
        {
          source: report.source,
          name: report.name,
          type: report.type,
          verdict: report.verdict,
          why: report.why,
          ms: Math.round(report.took),
        },
        'query',
      );
    },
    onRefresh: (report) => {
      metrics.refreshed(report);
      const known = lastReports.get(report.name)?.problems.join() ?? '';
      lastReports.set(report.name, report);
      if (report.problems.join() !== known) log.warn({ name: report.name, problems: report.problems }, 'name');
    },
  });
  const repairer = new Repairer({
    repairs: {
      tables: (scope) => repairTables(tables, scope),
      expiring: async () => {
        await names.reopen();
        return [];
      },
      chains: (scope) => repairChains(tables, scope),
      links: async (scope) => [
        // A filter stands at a bridge: that one first.
        ...(await repairLinks(state.records, scope)),
        ...(await repairGates(state.records, scope)),
      ],
      firewalls: async () => {
        const { repaired, problems } = await repairFirewalls(state.records);
        for (const problem of problems) log.warn({ problem }, 'firewall');
        return repaired;
      },
    },
    report: (report) => {
      history.add(report);
      metrics.repair(report);
      if (report.problem === undefined)
        log.warn({ resource: report.resource, repaired: report.repaired, ms: Math.round(report.took) }, 'repaired');
      else log.error({ resource: report.resource, err: report.problem }, 'cannot repair');
    },
    well: (resource) => history.well(resource),
  });
  const monitors = new Monitors({
    notice: (changes) => repairer.notice(changes),
    lost: (what) => metrics.gap(what),
    log,
  });
  const policies = new LivePolicies({
    list: () => {
      state.load();
      return { records: state.all, broken: state.broken };
    },
    remembered: (record) => names.remembered(record),
    also: (records) => names.carriedOver(records),
    report: ({ changed, problems, ended, took }) => {
      metrics.policyChanged(changed.length);
      if (changed.length > 0) {
        const changes = Object.fromEntries(
          [...Map.groupBy(changed, ({ policyName }) => policyName)].map(([name, containers]) => [
            name,
            containers.length,
          ]),
        );
        log.info({ containers: changes, ended, ms: Math.round(took) }, 'policies changed');
      }
      for (const problem of problems) log.error({ problem }, 'policy');
    },
  });
  const sweep = new Sweep({
    ...options,
    records: () => state.all,
    report: ({ what, attachment, error }) => {
      if (what === 'failed') log.error({ attachment, err: error }, 'cannot remove a dead attachment');
      else
        log.warn(
          { attachment },
          what === 'found' ? 'an attachment has no container any more' : 'a dead attachment was removed',
        );
    },
  });
  const metrics = new Metrics(metricsSource({ version: options.version, state, names, policies, sweep, monitors }));
  const applyPolicies = async (): Promise<void> => {
    try {
      await policies.apply();
    } catch (error) {
      log.error({ err: error }, 'cannot apply policies');
    }
    await follow();
  };
  const follow = async (): Promise<void> => {
    state.load();
    await names.follow();
  };
  const keepIndex = async (): Promise<void> =>
    repairIndex(tables.records).catch((error: unknown) => log.error({ err: error }, 'cannot look after index entries'));
  const lookSlowly = async (): Promise<void> => {
    await state.loadServers(names.addresses);
    if (state.load()) await names.follow();
    await counted.look(state.records);
    looks += 1;
    const isThorough = looks % thorough === 0;
    repairer.notice(everythingOf('links', 'firewalls', ...(isThorough ? (['tables', 'chains'] as const) : [])));
    if (isThorough) await keepIndex();
    await sweep.run();
  };

  const protocol = serveProtocol(server, {
    status: (): AgentStatus => ({
      protocol: 1,
      version: options.version,
      pid: process.pid,
      startedAt,
      attachments: state.records.length,
      names: wantedNames().size,
      openAddresses: names.open.length,
      dns: { addresses: names.addresses, queries, problems: names.problems },
      invalidPolicies: [...policies.invalid].map(([policy, why]) => ({ policy, why })),
      dead: sweep.dead,
      repairs: history.count,
      lastRepairs: history.last,
      problems: [
        ...monitors.problems,
        ...history.problems,
        ...names.problems,
        ...policies.invalid.values(),
        ...state.broken.map(({ file, why }) => `Cannot read the record "${file}": ${why}`),
      ],
    }),
    names: () => namesStatus(names.open, wantedNames(), lastReports),
    seen: () => names.seen,
    refresh: async () => {
      await applyPolicies();
      const reports = await names.refreshAll();
      return {
        names: reports.length,
        problems: [...policies.invalid.values(), ...reports.flatMap(({ problems }) => problems)],
      };
    },
    repair: () => repairer.lookNow(),
    metrics: () => metrics.text(),
  });
  closing.defer(() => protocol.close());
  if (options.metricsAddress !== undefined) {
    const served = await serveMetrics(options.metricsAddress, () => metrics.text());
    closing.defer(() => served.close());
  }

  monitors.start();
  const folders = [
    watchFolder(`${runDir}/attachments`, 0o700, () => void follow()),
    watchFolder(policiesFolder, 0o755, () => void applyPolicies()),
  ];
  closing.defer(async () => {
    [monitors, ...folders].forEach((watch) => watch.stop());
    await repairer.stop();
    await names.stop();
  });

  state.load();
  await state.loadServers([]);
  await names.recall();
  // Containers that an earlier agent redirected are waiting for answers.
  await names.follow();
  await counted.look(state.records);
  await repairer.lookNow(['tables', 'links', 'firewalls']);
  await names.start();
  await applyPolicies();
  await sweep.run();
  log.info({ attachments: state.records.length, names: wantedNames().size, dns: names.addresses }, 'agent is ready');

  options.onReload?.(() => {
    log.info('agent looks at everything');
    void applyPolicies().then(async () => Promise.all([repairer.lookNow(), keepIndex()]));
  });
  const manager = serviceManager();
  const summary = (): string =>
    `${state.records.length} attachments, ${wantedNames().size} names, ${history.count} repairs`;
  await manager.ready(summary());
  const timers = [
    setInterval(() => void names.tick(), tick),
    setInterval(() => void lookSlowly(), slowly),
    ...(manager.watchdogSeconds === undefined
      ? []
      : [
          setInterval(
            () => void (repairer.isStuck ? undefined : manager.alive(summary())),
            (manager.watchdogSeconds * 1000) / 3,
          ),
        ]),
  ];
  closing.defer(() => timers.forEach((timer) => clearInterval(timer)));
  await new Promise<void>((resolve) => {
    if (options.signal.aborted) resolve();
    options.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  log.info('agent stops');
  await manager.stopping();

  function wantedNames(): Set<string> {
    return new Set(state.work.refreshed.flatMap((policy) => policy.names.map(({ name }) => name)));
  }
}
