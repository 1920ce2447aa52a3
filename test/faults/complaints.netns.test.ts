/** What users of the reference plugins complain of and no other test shows; complaints.md has the whole list. */
import { describe, expect, test, type Host, type Json } from '../helpers/host.ts';
import { brokenAt, installStandIns } from './broken-programs.ts';
import { attachmentsLeft, conflist, interfaceConf, options, outcome, prepare } from './network.ts';

/** The programs that one call of the interface plugin runs. */
async function programsOf(host: Host, verb: 'ADD' | 'DEL', ports: number): Promise<string[]> {
  const container = await host.container(`with-${ports}-${verb}`);
  const portMappings = Array.from({ length: ports }, (_, index) => ({
    hostPort: 9000 + index,
    containerPort: 80 + index,
    protocol: index % 2 === 0 ? 'tcp' : 'udp',
  }));
  const conf: Json = { ...interfaceConf, runtimeConfig: { portMappings } };
  const { env, calls } = await brokenAt(host, -1, '');
  const counted = { container, env };
  expect(outcome(await host.cni('ADD', conf, verb === 'ADD' ? counted : { container }))).toBe('code 0');
  const deleted = await host.cni('DEL', conf, verb === 'DEL' ? counted : { container });
  expect(outcome(deleted)).toBe('code 0');
  return (await calls()).map((line) => line.split(' ', 1)[0] ?? '').toSorted();
}

describe('published ports', () => {
  test('of one container are one transaction, be they 1 or 32, without iptables (moby#53466, plugins#510)', async ({
    host,
  }) => {
    await prepare(host);
    await installStandIns(host);
    // The first container of a bridge finds out which firewalls there are.
    expect(outcome(await host.addChain(conflist, { container: await host.container() }))).toBe('code 0');
    for (const verb of ['ADD', 'DEL'] as const) {
      const one = await programsOf(host, verb, 1);
      expect(one.filter((name) => name === 'nft')).toHaveLength(1);
      expect(one.filter((name) => name.startsWith('ip6tables') || name.startsWith('iptables'))).toEqual([]);
      expect(await programsOf(host, verb, 32)).toEqual(one);
    }
  });

  test.for(['accept', 'drop'])(
    'work beside tables "nat" and "filter" that iptables calls incompatible, with policy %s (nerdctl#4117, plugins#461)',
    async (policy, { host }) => {
      const outside = await prepare(host);
      await host.run(['nft', '-f', '-'], { input: incompatible(policy) });
      expect(await host.sh('iptables-nft -t nat -S 2>&1 || iptables-nft -S 2>&1 || true')).toMatch(
        /incompatible[^]*incompatible/u,
      );
      await host.takeBaseline();
      const container = await host.container();
      expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
      await host.serve(container, { port: 80, reply: 'published' });
      expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('published');
      expect(outcome(await host.checkChain(conflist, options(container)))).toBe('code 0');
      expect(outcome(await host.delChain(conflist, options(container)))).toBe('code 0');
      expect(await attachmentsLeft(host)).toEqual([]);
    },
  );
});

/** Tables as a program that speaks nftables makes them under the names that iptables has for its own. */
function incompatible(policy: string): string {
  return `
table ip nat {
  set s { type ipv4_addr . inet_service; }
  chain PREROUTING {
    type nat hook prerouting priority dstnat;
    ip daddr . tcp dport @s dnat to 192.0.2.77
  }
  chain odd {
    type nat hook prerouting priority 7;
  }
}
table ip filter {
  map m { type mark : verdict; }
  chain FORWARD {
    type filter hook forward priority filter; policy ${policy};
    meta mark vmap @m
  }
  chain odd {
    type filter hook forward priority 7;
  }
}
`;
}

describe('other firewalls', () => {
  test('whose rules somebody flushed along with ours are opened again by the next ADD (plugins#512, cni#778)', async ({
    host,
  }) => {
    const outside = await prepare(host);
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'out' });
    await host.sh('iptables -P FORWARD DROP');
    const [before, after] = [await host.container(), await host.container()];
    expect(outcome(await host.addChain(conflist, { container: before }))).toBe('code 0');
    expect(await host.fetch(before, '8.8.8.8', 80)).toBe('out');
    await host.sh('nft flush ruleset; iptables -P FORWARD DROP');
    expect(await host.fetch(before, '8.8.8.8', 80)).not.toBe('out');
    expect(outcome(await host.addChain(conflist, { container: after }))).toBe('code 0');
    expect(await host.fetch(before, '8.8.8.8', 80)).toBe('out');
    expect(await host.fetch(after, '8.8.8.8', 80)).toBe('out');
  });

  test("that drop the host's own output keep a container from the host alone, and CHECK from nothing", async ({
    host,
  }) => {
    const outside = await prepare(host);
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'out' });
    await host.sh('iptables -P OUTPUT DROP');
    const container = await host.container();
    expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
    await host.serve(container, { port: 80, reply: 'in' });
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('out');
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('in');
    expect(await host.fetch(host, '10.88.0.2', 80)).not.toBe('in');
    expect(outcome(await host.checkChain(conflist, options(container)))).toBe('code 0');
  });
});

test('udev and NetworkManager leave the MACs of bridge and port alone, since they are set and not drawn (systemd#21185, cni#285)', async ({
  host,
}) => {
  await prepare(host);
  expect(outcome(await host.addChain(conflist, options(await host.container())))).toBe('code 0');
  // NET_ADDR_SET of the kernel; MACAddressPolicy= acts on NET_ADDR_RANDOM (1) alone: systemd.link(5).
  expect(await host.sh('cat /sys/class/net/drawbridge0/addr_assign_type /sys/class/net/veth*/addr_assign_type')).toBe(
    '3\n3\n',
  );
});
