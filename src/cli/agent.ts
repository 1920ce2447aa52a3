import { runAgent, type ClusterConf } from '../agent/agent.ts';
import { logLevels, type LogLevel } from '../agent/log.ts';
import { formatPrefix, readPrefix } from '../ip/address.ts';
import { servePage } from './ui/serve-page.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';

/** Runs the agent until SIGTERM or SIGINT; SIGHUP makes it look at everything. */
export async function run(invocation: Invocation): Promise<number> {
  const stop = new AbortController();
  // Not once(): with no listener left, what proper-lockfile listens with would end the process before its work is done.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  const metricsAddress = valueOf(invocation, 'metrics-address');
  await runAgent({
    version: invocation.version,
    clean: invocation.options['clean'] === true,
    graceSeconds: parseSeconds(valueOf(invocation, 'grace') ?? '60'),
    logLevel: logLevels.find((level) => level === valueOf(invocation, 'log-level')) ?? ('info' satisfies LogLevel),
    signal: stop.signal,
    servePage,
    flowDestinations: {
      journal: invocation.options['flows-journal'] === true,
      file: parseFile(valueOf(invocation, 'flows-file')),
      otlp: parseCollector(valueOf(invocation, 'flows-otlp')),
    },
    ...clusterOf(invocation),
    onReload: (reload) => process.on('SIGHUP', reload),
    ...(metricsAddress === undefined ? {} : { metricsAddress }),
  });
  return 0;
}

/** Throws a usage error for options of a cluster without `--kubernetes`, and where nobody says which node this is. */
function clusterOf(invocation: Invocation): { readonly cluster?: ClusterConf } {
  const node = valueOf(invocation, 'node') ?? process.env['NODE_NAME'] ?? '';
  const networks = valueOf(invocation, 'pod-networks');
  if (invocation.options['kubernetes'] !== true) {
    const other = ['node', 'pod-networks', 'install-plugin'].find((name) => invocation.options[name] !== undefined);
    if (other !== undefined) throw new UsageError(`Cannot use "--${other}" without "--kubernetes"`);
    return {};
  }
  if (node === '')
    throw new UsageError('Cannot tell which node this is: give "--node NAME", or set NODE_NAME as the manifest does');
  const podNetworks = networks === undefined ? [] : networks.split(',').map(parseNetwork);
  return { cluster: { node, podNetworks, installs: invocation.options['install-plugin'] === true } };
}

function parseNetwork(text: string): string {
  const prefix = readPrefix(text);
  if (prefix !== undefined && !prefix.hostBits) return formatPrefix(prefix);
  throw new UsageError(`Cannot use "--pod-networks ${text}": networks are expected, "10.244.0.0/16,fd00:244::/56"`);
}

function parseSeconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new UsageError(`Cannot use "--grace ${text}": whole seconds are expected`);
  return Number(text);
}

function parseFile(text: string | undefined): string | undefined {
  if (text === undefined || text.startsWith('/')) return text;
  throw new UsageError(
    `Cannot use "--flows-file ${text}": a path from the root is expected, "/var/log/drawbridge.jsonl"`,
  );
}

function parseCollector(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new UsageError(`Cannot use "--flows-otlp ${text}": an address is expected, "http://127.0.0.1:4318"`);
}
