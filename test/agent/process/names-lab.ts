/**
 * A container with names in its policy, dnsmasq outside, and servers at the addresses that it names:
 *
 *   198.51.100.1 api.example.org    198.51.100.2 x.example.net    8.8.8.8 secret.example.com
 */
import type { Conflist, Container, Host, Outside } from '../../helpers/host.ts';
import { until } from './agent.ts';
import { conflistWith } from './network.ts';

export interface NamesLab {
  readonly outside: Outside;
  readonly container: Container;
  readonly conflist: Conflist;
  /** What dig prints in the container, asking a server for an address. */
  readonly ask: (name: string, server?: string) => Promise<string>;
  /** Adds the container to the network. */
  readonly add: () => Promise<void>;
  /** Whether its DNS goes to the agent. */
  readonly forced: () => Promise<boolean>;
}

export async function makeNamesLab(host: Host, policy: Record<string, unknown> = {}): Promise<NamesLab> {
  const outside = await host.outside();
  await outside.address('198.51.100.1', '198.51.100.2', '8.8.8.8');
  await host.serve(outside, { port: 80, reply: 'hello' });
  await startDns(host, outside);
  const conflist = conflistWith({ mode: 'allowlist', allow: ['api.example.org:80', '*.example.net:80'], ...policy });
  const container = await host.container();
  return {
    outside,
    container,
    conflist,
    ask: async (name, server = '10.88.0.1') =>
      (await container.exec(['dig', '+time=2', '+tries=1', `@${server}`, name, 'A'])).stdout,
    add: async () => {
      const added = await host.addChain(conflist, { container });
      if (added.error !== undefined) throw new Error(JSON.stringify(added.error));
    },
    forced: async () =>
      (await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'dnsforce4'])).includes('10.88.0.2'),
  };
}

/** Lines of "address name"; what was there before is forgotten, by dnsmasq too. */
export async function writeHosts(host: Host, lines: readonly string[]): Promise<void> {
  await host.run(['/bin/sh', '-c', 'cat > /run/hosts && kill -HUP $(pidof dnsmasq)'], {
    input: `${lines.join('\n')}\n`,
  });
}

async function startDns(host: Host, outside: Outside): Promise<void> {
  const lines = ['198.51.100.1 api.example.org', '198.51.100.2 x.example.net', '8.8.8.8 secret.example.com'];
  await host.run(['/bin/sh', '-c', 'cat > /run/hosts'], { input: `${lines.join('\n')}\n` });
  const args = [
    '--keep-in-foreground',
    '--no-resolv',
    '--no-hosts',
    '--addn-hosts=/run/hosts',
    '--local=/#/',
    '--local-ttl=1',
    '--user=root',
    '--bind-interfaces',
    '--pid-file=',
    '--conf-file=/dev/null',
  ];
  await host.spawn(
    ['dnsmasq', ...args, `--listen-address=${outside.v4}`, '--log-queries', '--log-facility=/run/dnsmasq.log'],
    { where: outside },
  );
  await host.sh(`printf 'nameserver ${outside.v4}\\n' > /etc/resolv.conf`);
  await until(async () => (await host.exec(['dig', '+time=1', '+tries=1', `@${outside.v4}`, 'x.test'])).code === 0);
}
