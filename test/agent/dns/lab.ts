/**
 * A private host with a container under an allowlist of names, its port 53 redirected to the proxy, and dnsmasq and
 * web servers outside.
 *
 *   container 10.88.0.2, fd00:88::2 - drawbridge0 10.88.0.1, fd00:88::1 - host - 192.0.2.2 dnsmasq, 198.51.100.x
 *   servers
 */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { groupsOf } from '../../../src/records/sections.ts';
import { egressElements, guardElements } from '../../../src/dataplane/elements/egress.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { policyId } from '../../../src/egress/policy-id.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { rebuildText } from '../../../src/dataplane/transaction.ts';
import { familyOf } from '../../../src/ip/family.ts';
import {
  makeHost,
  type Container,
  type Daemon,
  type ExecResult,
  type Host,
  type Outside,
} from '../../helpers/private-host.ts';
import { sample } from '../../records/sample.ts';
import type { DriverPlan } from './driver.ts';

export type RuntimeName = 'node' | 'bun';

const root = join(import.meta.dirname, '../../..');

export interface DnsLab extends AsyncDisposable {
  readonly host: Host;
  readonly outside: Outside;
  readonly c1: Container;
  readonly policy: Policy;
  readonly policyId: string;
  /** Writes hosts for dnsmasq ("198.51.100.1 name" each) and makes it read them. */
  hosts(lines: readonly string[]): Promise<void>;
  startProxy(plan?: Partial<DriverPlan>): Promise<Daemon>;
  /** Runs a program in the container, which has this resolv.conf. */
  inContainer(cmd: readonly string[], resolvConf?: string): Promise<ExecResult>;
  /** Addresses in the sets of names. */
  open(): Promise<string[]>;
}

/** Paths of the driver as a program: node and the source, or one file. */
function commandOf(runtime: RuntimeName): string[] {
  return runtime === 'node'
    ? [join(root, 'node_modules/.bin/node'), join(import.meta.dirname, 'driver.ts')]
    : [join(compiled, 'driver')];
}

const compiled = join(root, 'test/.cache/dns-driver');

/**
 * Compiles the driver as bundle/build.ts does the executable, beside its place: another run may be using the old one.
 */
export async function compileDriver(): Promise<void> {
  mkdirSync(compiled, { recursive: true });
  const draft = mkdtempSync(join(compiled, 'build-'));
  const bundled = join(draft, 'driver.cjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'driver.ts')],
    outfile: bundled,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    minify: true,
    keepNames: true,
    external: ['bun:ffi'],
  });
  execFileSync(
    join(root, 'node_modules/.bin/bun'),
    ['build', bundled, '--compile', '--bytecode', '--format=cjs', `--outfile=${join(draft, 'driver')}`],
    { stdio: 'ignore', cwd: draft },
  );
  renameSync(join(draft, 'driver'), join(compiled, 'driver'));
  rmSync(draft, { recursive: true });
}

export async function makeDnsLab(runtime: RuntimeName, conf: Record<string, unknown> = {}): Promise<DnsLab> {
  const host = await makeHost();
  const outside = await host.outside();
  const c1 = await host.container();
  const mac = '02:00:0a:58:00:02';
  await host.sh(`
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip link add drawbridge0 up type bridge
    ip addr add 10.88.0.1/16 dev drawbridge0
    ip addr add fd00:88::1/64 dev drawbridge0 nodad
    ip link add vc1 type veth peer name eth0 netns c1 address ${mac}
    ip link set vc1 master drawbridge0 up
    ip -n c1 addr add 10.88.0.2/16 dev eth0
    ip -n c1 addr add fd00:88::2/64 dev eth0 nodad
    ip -n c1 link set eth0 up
    ip -n c1 route add default via 10.88.0.1
    ip -n c1 route add default via fd00:88::1
    ip -n outside route add 10.88.0.0/16 via ${outside.hostV4}
    ip -n outside route add fd00:88::/64 via ${outside.hostV6}
    printf 'nameserver ${outside.v4}\n' > /etc/resolv.conf
    touch /run/hosts`);
  const policy = parsePolicy(
    { mode: 'allowlist', allow: ['api.example.org:80', '*.example.net:80'], dns: { upstream: [outside.v4] }, ...conf },
    'the conf',
  );
  const id = policyId(policy);
  const gateways = ['10.88.0.1', 'fd00:88::1'];
  const addresses = ['10.88.0.2', 'fd00:88::2'];
  const record = {
    ...sample(),
    egress: { ingressInterface: 'drawbridge0', port: 'vc1', mac, addresses, gateways, policy, policyId: id },
  };
  const forced = addresses.map((address) => ({
    table: 'inet drawbridge' as const,
    set: `dnsforce${familyOf(address)}`,
    key: [{ interface: 'drawbridge0' }, address],
  }));
  await host.run(['nft', '-f', '-'], {
    input: rebuildText({
      groups: groupsOf(record),
      elements: [...egressElements(record), ...guardElements(record), ...forced],
    }),
  });
  let dnsmasq: Daemon | undefined;
  let plans = 0;
  return {
    host,
    outside,
    c1,
    policy,
    policyId: id,
    hosts: async (lines) => {
      await host.run(['/bin/sh', '-c', 'cat > /run/hosts'], { input: `${lines.join('\n')}\n` });
      if (dnsmasq === undefined) {
        const args = [
          '--keep-in-foreground',
          '--no-resolv',
          '--no-hosts',
          '--addn-hosts=/run/hosts',
          '--local=/#/',
          '--local-ttl=5',
          '--user=root',
          '--bind-interfaces',
          '--pid-file=',
          '--conf-file=/dev/null',
        ];
        dnsmasq = await host.spawn(
          [
            'dnsmasq',
            ...args,
            `--listen-address=${outside.v4}`,
            '--log-queries',
            '--log-facility=/run/dnsmasq.log',
            '--cname=www.example.net,real.example.com',
          ],
          { where: outside },
        );
        await until(
          async () => (await host.exec(['dig', '+time=1', '+tries=1', `@${outside.v4}`, 'x.test'])).code === 0,
        );
      } else await host.run(['kill', '-HUP', String(dnsmasq.pid)]);
    },
    startProxy: async (plan = {}) => {
      const names = {
        policyId: id,
        names: policy.names,
        denied: policy.dns.denied,
        upstream: policy.dns.upstream,
        refreshIntervalMinutes: policy.refreshIntervalMinutes,
        maxQueriesPerMinute: 300,
      };
      const whole: DriverPlan = {
        listen: gateways,
        policies: Object.fromEntries(addresses.map((address) => [address, names])),
        ...plan,
      };
      const file = `/run/plan-${(plans += 1)}.json`;
      await host.run(['/bin/sh', '-c', `cat > ${file}`], { input: JSON.stringify(whole) });
      const daemon = await host.spawn([...commandOf(runtime), file]);
      await until(async () => {
        const log = await host.run(['cat', daemon.log]);
        if (!log.includes('ready') && !(await daemon.running())) throw new Error(log);
        return log.includes('ready');
      });
      return daemon;
    },
    inContainer: async (cmd, resolvConf = 'nameserver 10.88.0.1') => {
      const script = `mount -t tmpfs none /mnt && printf '${resolvConf.replaceAll('\n', '\\n')}\\n' > /mnt/resolv.conf && printf 'hosts: dns\\n' > /mnt/nsswitch.conf && mount --bind /mnt/resolv.conf /etc/resolv.conf && mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf && exec "$@"`;
      return host.exec(['unshare', '-m', '/bin/sh', '-c', script, 'sh', ...cmd], { where: c1, timeout: 20_000 });
    },
    open: async () => {
      const text = await host.run(['nft', 'list', 'table', 'inet', 'drawbridge']);
      const sets = [...text.matchAll(/set policy_\w+_names\w+ \{[^}]*?elements = \{([^}]*)\}/g)].map(
        ([, elements]) => elements ?? '',
      );
      return sets.flatMap((elements) => elements.split(',').map((one) => one.trim().split(/\s/)[0] ?? '')).toSorted();
    },
    [Symbol.asyncDispose]: () => host.dispose(),
  };
}

export async function until(isSo: () => Promise<boolean>, deadline = 8000): Promise<void> {
  const ends = Date.now() + deadline;
  while (!(await isSo())) {
    if (Date.now() > ends) throw new Error('it did not come to be in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
