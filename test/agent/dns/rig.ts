/** The proxy on loopback, with a scripted upstream, and a kernel that is a list. */
import { DnsProxy, type ProxyOptions } from '../../../src/agent/dns/proxy.ts';
import { Lookup } from '../../../src/agent/dns/lookup.ts';
import type { QueryReport } from '../../../src/agent/dns/answer-query.ts';
import { Upstreams } from '../../../src/agent/dns/upstreams.ts';
import type { NamesPolicy } from '../../../src/agent/dns/names-policy.ts';
import type { NameRule } from '../../../src/egress/policy.ts';
import { openedAddress } from '../../../src/dataplane/elements/egress.ts';
import type { Element } from '../../../src/nft/element.ts';
import { ask, type AskOptions, type Heard } from './client.ts';
import { startUpstream, type Asked, type Said, type Upstream } from './upstream.ts';

export interface Rig extends AsyncDisposable {
  readonly proxy: DnsProxy;
  readonly upstream: Upstream;
  readonly port: number;
  readonly opened: Element[];
  readonly reports: QueryReport[];
  policy: NamesPolicy;
  /** Milliseconds since 1970, for the cache. */
  clock: { now: number };
  ask(name: string, options?: AskOptions): Promise<Heard>;
  /** Keys of what was opened, without repetition. */
  openKeys(): string[];
}

export function rule(name: string, port = 443): NameRule {
  return { name, protocol: 'tcp', ports: { from: port, to: port }, source: `allow "${name}:${port}"` };
}

export async function makeRig(
  say: (asked: Asked) => Said | undefined,
  policy: Partial<NamesPolicy> = {},
  options: Partial<ProxyOptions> = {},
): Promise<Rig> {
  const upstream = await startUpstream(say);
  const opened: Element[] = [];
  const reports: QueryReport[] = [];
  const clock = { now: 1_000_000_000_000 };
  const rig = {
    policy: {
      policyId: 'ab12',
      names: [rule('api.example.org'), rule('*.example.net')],
      denied: 'refused' as const,
      upstream: [upstream.server],
      refreshIntervalMinutes: 30,
      maxQueriesPerMinute: 300,
      ...policy,
    } as NamesPolicy,
  };
  const upstreams = new Upstreams({ deadline: 1500, timeoutPerTry: 300 });
  const proxy = new DnsProxy({
    policyOf: (source) => (source.startsWith('127.') || source === '::1' ? rig.policy : undefined),
    open: async (elements) => void opened.push(...elements),
    lookup: new Lookup({ upstreams, now: () => clock.now }),
    report: (report) => reports.push(report),
    ...options,
  });
  const port = await proxy.listen({ address: '127.0.0.1', port: 0 });
  return Object.assign(rig, {
    proxy,
    upstream,
    port,
    opened,
    reports,
    clock,
    ask: (name: string, how: AskOptions = {}) => ask(port, name, how),
    openKeys: () => [...new Set(opened.map(openedAddress))],
    [Symbol.asyncDispose]: async () => {
      await proxy.close();
      await upstream[Symbol.asyncDispose]();
    },
  });
}
