/** A destination at an address of the host that rules of others translate: explain says what the kernel does. */
import { describe, expect, test, type Container, type Host, type Json } from '../../helpers/host.ts';
import { addContainer, addressOf, makeWorld, oneProcess } from '../../plugins/egress-policy/network.ts';
import { drawbridge } from '../cli.ts';

const other = '172.30.0.2';

/** What Docker writes for "-p 8080:80", and for "-p 192.0.2.1:5353:53/udp". */
const iptables = (program: string): string => `
${program} -t nat -N DOCKER
${program} -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
${program} -t nat -A DOCKER -i docker0 -j RETURN
${program} -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination ${other}:80
${program} -t nat -A DOCKER -d 192.0.2.1/32 ! -i docker0 -p udp -m udp --dport 5353 -j DNAT --to-destination ${other}:53
${program} -t nat -A PREROUTING -p tcp -m multiport --dports 9000,9022 -j REDIRECT --to-ports 22
${program} -t nat -A PREROUTING -p tcp --dport 7000 -m mark --mark 0x7 -j DNAT --to-destination ${other}:80
${program} -t nat -A PREROUTING -p tcp --dport 6000 -j DNAT --to-destination 10.1.0.2:80`;

const writers: Readonly<Record<string, string>> = {
  'iptables-nft': iptables('iptables-nft'),
  'iptables-legacy': iptables('iptables-legacy'),
  nft: `nft -f - <<'END'
table ip docker-bridges {
  chain nat-prerouting { type nat hook prerouting priority dstnat; fib daddr type local counter jump ports; }
  chain ports {
    iifname != "docker0" tcp dport 8080 counter dnat to ${other}:80
    ip daddr 192.0.2.1 iifname != "docker0" udp dport { 5353, 5354 } dnat to ${other}:53
    tcp dport { 9000, 9022 } redirect to :22
    tcp dport 7000 meta mark 7 dnat to ${other}:80
    tcp dport 6000 dnat to 10.1.0.2:80
  }
}
END`,
};

/** A container of another program behind a bridge of its own, and rules that publish it. */
async function publish(host: Host, rules: string): Promise<void> {
  await host.container('other');
  await host.sh(`ip link add docker0 type bridge; ip addr add 172.30.0.1/24 dev docker0; ip link set docker0 up
    ip link add vd type veth peer name eth0 netns other; ip link set vd master docker0 up
    sysctl -qw net.ipv4.ip_forward=1
    ${rules}`);
  const where = { netns: '/run/netns/other' };
  await host.sh(`ip addr add ${other}/24 dev eth0; ip link set eth0 up; ip route add default via 172.30.0.1`, {
    where,
  });
  await host.serve(where, { port: 80, reply: 'other' });
  await host.serve(where, { port: 53, proto: 'udp', reply: 'other' });
  await host.serve(host, { port: 22, reply: 'host' });
}

const asked = [
  ['192.0.2.1', 8080, 'tcp'],
  ['10.1.0.1', 8080, 'tcp'],
  ['192.0.2.1', 8080, 'udp'],
  ['192.0.2.1', 5353, 'udp'],
  ['10.1.0.1', 5353, 'udp'],
  ['192.0.2.1', 9022, 'tcp'],
  ['192.0.2.1', 7000, 'tcp'],
  ['192.0.2.1', 22, 'tcp'],
  ['192.0.2.1', 6000, 'tcp'],
] as const;

/** What a container reaches of these, by packets and by explain. */
async function compare(host: Host, container: Container): Promise<{ reached: string[]; explained: string[] }> {
  const [reached, explained]: [string[], string[]] = [[], []];
  for (const [address, port, proto] of asked) {
    const name = `${address}:${port}/${proto}`;
    const answer = await host.fetch(container, address, port, { proto, timeout: 700 });
    if (['other', 'host', 'sibling'].includes(answer)) reached.push(name);
    const { json } = await drawbridge(host, ['explain', container.name, name, '--json']);
    if ((json as Json)['verdict'] === 'allow') explained.push(name);
  }
  return { reached, explained };
}

const names = asked.map(([address, port, proto]) => `${address}:${port}/${proto}`);

/** A policy, what is reached under it, and what explain allows, where that is more: nobody listens at the rest. */
const policies: readonly (readonly [Json, readonly string[], (readonly string[])?])[] = [
  [{}, ['192.0.2.1:8080/tcp', '192.0.2.1:5353/udp']],
  [{ deny: ['192.0.2.1:8080'], hostPorts: ['22/tcp'] }, ['192.0.2.1:5353/udp', '192.0.2.1:9022/tcp']],
  [{ allow: ['192.0.2.1:5353/udp', '8.8.8.8'] }, ['192.0.2.1:5353/udp']],
  [
    { mode: 'open', hostAccess: 'all' },
    names.filter((name) => !['192.0.2.1:8080/udp', '10.1.0.1:5353/udp', '192.0.2.1:7000/tcp'].includes(name)),
    names,
  ],
];

describe.for(Object.entries(writers))('with rules of %s', ([program, rules]) => {
  test('explain says of each destination what packets do', async ({ host, skip }) => {
    if ((await host.exec(['sh', '-c', `command -v ${program}`])).code !== 0) skip(`there is no ${program}`);
    await makeWorld(host);
    const sibling = await addContainer(host, oneProcess({ mode: 'open' }));
    expect(addressOf(sibling.result, 4)).toBe('10.1.0.2');
    await host.serve(sibling, { port: 80, reply: 'sibling' });
    await publish(host, rules);
    for (const [policy, reached, explained = reached] of policies) {
      const container = await addContainer(host, oneProcess(policy));
      expect(await compare(host, container), JSON.stringify(policy)).toEqual({ reached, explained });
    }
  });
});

test('explain names the rule that leads elsewhere, and where', async ({ host }) => {
  await makeWorld(host);
  await publish(host, writers['nft'] ?? '');
  const { name } = await addContainer(host, oneProcess());
  const { json } = await drawbridge(host, ['explain', name, '192.0.2.1:8080', '--json']);
  expect((json as Json)['reason']).toMatch(
    /leads it to 172\.30\.0\.2:80: table ip docker-bridges, rule of chain "ports"/u,
  );
});
