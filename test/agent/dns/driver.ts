/**
 * The proxy and the refresh as the agent would run them, inside a private host: reads what to do from the file that
 * is named first, prints "ready" and then one line of JSON for each query. Run by node, and as an executable.
 */
import { readFileSync } from 'node:fs';
import { DnsProxy } from '../../../src/agent/dns/proxy.ts';
import type { NamesPolicy } from '../../../src/agent/dns/names-policy.ts';
import { Opener } from '../../../src/agent/names/opener.ts';
import { NamesRefresh } from '../../../src/agent/names/refresh.ts';
import type { RefreshedPolicy } from '../../../src/agent/names/plan.ts';
import { applyTransaction } from '../../../src/host/nft.ts';
import { commitSteps } from '../../../src/dataplane/commit-steps.ts';
import { stepsText } from '../../../src/dataplane/transaction.ts';

export interface DriverPlan {
  readonly listen: readonly string[];
  readonly port?: number;
  /** By source address. */
  readonly policies: Readonly<Record<string, NamesPolicy>>;
  readonly refresh?: readonly RefreshedPolicy[];
  /** Whether each transaction has a process of its own. */
  readonly spawn?: boolean;
  readonly quiet?: boolean;
}

// No top-level await: the executable is made of CommonJS.
void main(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as DriverPlan);

async function main({
  listen,
  port = 53,
  policies,
  refresh = [],
  spawn = false,
  quiet = false,
}: DriverPlan): Promise<void> {
  const opener = new Opener({ commit: spawn ? (steps) => applyTransaction(stepsText(steps)) : commitSteps });
  const open = opener.open.bind(opener);
  const names = new NamesRefresh({ policies: () => refresh, open });
  const proxy = new DnsProxy({
    policyOf: (source) => policies[source],
    open,
    report: (report) => quiet || console.log(JSON.stringify(report)),
  });
  for (const address of listen) await proxy.listen({ address, port });
  const stop = new AbortController();
  const running = names.run(stop.signal);
  console.log('ready');
  process.once('SIGTERM', () => {
    stop.abort();
    void Promise.all([running, proxy.close()]);
  });
}
