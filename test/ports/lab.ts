/** A private host with two bridges and three containers, connected by hand, under the rules of their records. */
import { resolve } from '../../src/dataplane/difference.ts';
import { familyOf } from '../../src/ip/family.ts';
import { desired } from '../../src/records/desired.ts';
import { rebuildText } from '../../src/dataplane/transaction.ts';
import type { LinkRecord } from '../../src/records/record.ts';
import { makeHost, type Container, type Host, type Outside } from '../helpers/host.ts';
import { numbered } from '../records/sample.ts';

export interface Lab extends AsyncDisposable {
  readonly host: Host;
  readonly outside: Outside;
  /**
   * c1 and c2 are on drawbridge0 (10.88.0.2 and .3, fd00:88::2 and ::3), c3 is 10.88.1.2 and fd00:89::2 on drawbridge1.
   */
  readonly c1: Container;
  readonly c2: Container;
  readonly c3: Container;
  /** Puts c1's record with these values in force, besides plain records of c2 and c3. */
  publish(link: Partial<LinkRecord>): Promise<void>;
}

export async function makeLab(): Promise<Lab> {
  const host = await makeHost();
  const outside = await host.outside();
  const [c1, c2, c3] = [await host.container(), await host.container(), await host.container()];
  await host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
  await bridge(host, 'drawbridge0', ['10.88.0.1/24', 'fd00:88::1/64']);
  await bridge(host, 'drawbridge1', ['10.88.1.1/24', 'fd00:89::1/64']);
  await connect(host, c1, 'drawbridge0', ['10.88.0.2/24', 'fd00:88::2/64'], ['10.88.0.1', 'fd00:88::1']);
  await connect(host, c2, 'drawbridge0', ['10.88.0.3/24', 'fd00:88::3/64'], ['10.88.0.1', 'fd00:88::1']);
  await connect(host, c3, 'drawbridge1', ['10.88.1.2/24', 'fd00:89::2/64'], ['10.88.1.1', 'fd00:89::1']);
  // The outside knows the way to the containers, so that a packet which is not masqueraded gets its answer too.
  await host.run(['ip', 'route', 'add', '10.88.0.0/16', 'via', outside.hostV4], { where: outside });
  await host.run(['ip', 'route', 'add', 'fd00:88::/32', 'via', outside.hostV6], { where: outside });
  return {
    host,
    outside,
    c1,
    c2,
    c3,
    publish: async (link) => {
      const records = [
        numbered(1, { link }),
        numbered(2),
        numbered(3, {
          link: { bridge: 'drawbridge1', addresses: [{ address: '10.88.1.2/24' }, { address: 'fd00:89::2/64' }] },
        }),
      ];
      const elements = [...resolve(records.map(desired)).values()];
      await host.run(['nft', '-f', '-'], { input: rebuildText({ groups: [], elements }) });
    },
    [Symbol.asyncDispose]: () => host.dispose(),
  };
}

async function bridge(host: Host, name: string, addresses: readonly string[]): Promise<void> {
  const lines = [
    `link add ${name} up type bridge`,
    ...addresses.map((address) => `addr add ${address} dev ${name}${familyOf(address) === 6 ? ' nodad' : ''}`),
  ];
  await host.run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  await host.sh(`sysctl -qw net.ipv4.conf.${name}.route_localnet=1`);
}

async function connect(
  host: Host,
  container: Container,
  master: string,
  addresses: readonly string[],
  gateways: readonly string[],
): Promise<void> {
  const port = `v${container.name}`;
  await host.run(['ip', '-batch', '-'], {
    input: `link add ${port} type veth peer name eth0 netns ${container.name}\nlink set ${port} master ${master} up\nlink set ${port} type bridge_slave hairpin on\n`,
  });
  const lines = [
    ...addresses.map((address) => `addr add ${address} dev eth0${familyOf(address) === 6 ? ' nodad' : ''}`),
    'link set eth0 up',
    ...gateways.map((gateway) => `route add default via ${gateway}`),
  ];
  await host.run(['ip', '-batch', '-'], { where: container, input: `${lines.join('\n')}\n` });
}
