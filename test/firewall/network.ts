import { fileURLToPath } from 'node:url';
import type { FirewallFinding, FirewallWarning, OpenOptions } from '../../src/host/firewall/foreign.ts';
import type { Container, Host, Outside } from '../helpers/host.ts';

const program = fileURLToPath(new URL('drive.ts', import.meta.url));

export interface Network {
  readonly host: Host;
  readonly outside: Outside;
  readonly container: Container;
  /**
   * What works for the container, by both families: a fetch from outside, a DNS server of the host, and a port that is
   * published.
   */
  readonly works: (
    patience?: number,
  ) => Promise<{ out: string[]; dns: string[]; published: string[]; closed: string[] }>;
}

/** A host with a bridge "br0", a container on it, an outside, and servers for what a container needs. */
export async function makeNetwork(host: Host): Promise<Network> {
  const outside = await host.outside();
  const container = await host.container();
  await outside.address('8.8.8.8', '2001:4860:4860::8888');
  await host.sh(`
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    ip link add br0 type bridge; ip addr add 10.88.0.1/24 dev br0; ip addr add fd00:88::1/64 dev br0 nodad; ip link set br0 up
    ip link add veth1 master br0 address 02:00:00:00:00:02 type veth peer name eth0 netns ${container.name}`);
  await host.sh(
    `ip addr add 10.88.0.2/24 dev eth0; ip addr add fd00:88::2/64 dev eth0 nodad; ip link set eth0 up
    ip route add default via 10.88.0.1; ip route add default via fd00:88::1`,
    { where: container },
  );
  await host.sh('ip link set veth1 up');
  await host.run(['nft', '-f', '-'], {
    input: `table inet drawbridge {
      chain pre { type nat hook prerouting priority dstnat; fib daddr type local tcp dport 8080 meta nfproto ipv4 dnat ip to 10.88.0.2:80; fib daddr type local tcp dport 8080 meta nfproto ipv6 dnat ip6 to [fd00:88::2]:80; }
      chain post { type nat hook postrouting priority srcnat; ip saddr 10.88.0.0/24 oifname != "br0" masquerade; ip6 saddr fd00:88::/64 oifname != "br0" masquerade; }
    }\n`,
  });
  await host.serve(outside, { port: 443, reply: 'outside' });
  await host.serve(host, { port: 53, proto: 'udp', reply: 'dns' });
  await host.serve(host, { port: 22, reply: 'ssh' });
  await host.serve(container, { port: 80, reply: 'container' });
  // What the first packet over a fresh bridge waits for is not what is tested; a firewall comes later.
  await Promise.all([
    host.fetch(container, '10.88.0.1', 22),
    host.fetch(container, 'fd00:88::1', 22, { timeout: 3000 }),
  ]);
  await host.takeBaseline();

  const both = async (fetch: (six: boolean) => Promise<string>) => Promise.all([fetch(false), fetch(true)]);
  // Long where an answer is expected, short where silence is.
  const silence = 250;
  return {
    host,
    outside,
    container,
    async works(patience = 2000) {
      const [out, dns, published, closed] = await Promise.all([
        both((six) => host.fetch(container, six ? '2001:4860:4860::8888' : '8.8.8.8', 443, { timeout: patience })),
        both((six) => host.fetch(container, six ? 'fd00:88::1' : '10.88.0.1', 53, { timeout: patience, proto: 'udp' })),
        both((six) => host.fetch(outside, six ? outside.hostV6 : outside.hostV4, 8080, { timeout: patience })),
        both((six) => host.fetch(container, six ? 'fd00:88::1' : '10.88.0.1', 22, { timeout: silence })),
      ]);
      return { out, dns, published, closed };
    },
  };
}

export async function open(
  host: Host,
  options: OpenOptions = {},
  times = 1,
  bridge = 'br0',
): Promise<FirewallWarning[]> {
  return drive(host, 'open', options, times, bridge);
}

export async function inspect(host: Host, options: OpenOptions = {}): Promise<FirewallFinding[]> {
  return drive(host, 'inspect', options);
}

export async function close(host: Host, options: { used?: boolean } = {}): Promise<void> {
  await drive(host, 'close', options);
}

/** Every rule of the host that is not in a table of ours, as text; without counters. */
export async function foreignRules(host: Host): Promise<string> {
  const saved = await host.sh(`
    for p in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
      echo "## $p"; $p-save 2>/dev/null | grep -v '^#' || true
    done; nft -s list ruleset`);
  return saved.replace(/\[\d+:\d+\]/g, '');
}

async function drive<T>(host: Host, verb: string, options: object, times = 1, bridge = 'br0'): Promise<T> {
  const answer = await host.run([process.execPath, program, verb, bridge, JSON.stringify(options), String(times)]);
  return JSON.parse(answer) as T;
}
