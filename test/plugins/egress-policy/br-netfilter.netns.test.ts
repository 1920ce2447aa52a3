import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../../helpers/host.ts';
import { executable } from '../../helpers/executable.ts';
import { addContainer, addressOf, elementsOf, oneProcess } from './network.ts';

/** Has bridged packets pass iptables and nft's inet tables, or not; false where the kernel cannot. */
async function setBridgeNetfilter(host: Host, value: 0 | 1): Promise<boolean> {
  const files = '/proc/sys/net/bridge/bridge-nf-call-ip*tables';
  await host.sh(`for file in ${files}; do [ ! -e $file ] || echo ${value} > $file; done`);
  return value === 0 || (await host.exec(['sh', '-c', `ls ${files}`])).code === 0;
}

function publishing(policy: Json): Conflist {
  const { plugins, ...list } = oneProcess(policy);
  return { ...list, plugins: plugins.map((plugin) => ({ ...plugin, capabilities: { portMappings: true } })) };
}

const web = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
const udp = { hostPort: 5353, containerPort: 53, protocol: 'udp' };
/** Public addresses of the host, which a policy can name. */
const hosts = { 4: '8.8.4.4', 6: '2001:4860:4860::8844' } as const;

/** A container that publishes ports, and a sibling whose policy closes the addresses of the host that lead there. */
async function closedPort(host: Host): Promise<Container> {
  await host.outside();
  await host.sh(`ip address add ${hosts[4]}/32 dev lo; ip address add ${hosts[6]}/128 dev lo nodad`);
  const container = await addContainer(host, publishing({ isolation: 'bridge' }), {
    runtimeConfig: { portMappings: [web, udp] },
  });
  await host.serve(container, { port: 80 });
  expect(await host.fetch(host, hosts[4], 8080)).toBe(hosts[4]);
  return addContainer(host, publishing({ isolation: 'bridge', deny: [hosts[4], hosts[6]] }));
}

describe('a published port of a sibling that the policy denies', () => {
  test.for([4, 6] as const)('is refused with a reset, IPv%i', async (n, { host }) => {
    await setBridgeNetfilter(host, 0);
    expect(await host.fetch(await closedPort(host), hosts[n], 8080)).toBe('refused');
  });

  // While connect() itself sends the SYN, Linux takes the error for a passing one, and believes that to the next SYN.
  test.for([4, 6] as const)(
    'is refused by tcp within two attempts with br_netfilter, IPv%i',
    async (n, { host, skip }) => {
      if (!(await setBridgeNetfilter(host, 1))) skip('this kernel has no br_netfilter');
      expect(await host.fetch(await closedPort(host), hosts[n], 8080, { timeout: 4000 })).toBe('unreachable');
    },
  );

  test.for([4, 6] as const)('is refused by udp at once with br_netfilter, IPv%i', async (n, { host, skip }) => {
    if (!(await setBridgeNetfilter(host, 1))) skip('this kernel has no br_netfilter');
    expect(await host.fetch(await closedPort(host), hosts[n], 5353, { proto: 'udp' })).toBe('unreachable');
  });
});

describe.for([0, 1] as const)('with bridge-nf-call-iptables %i', (value) => {
  test.for([4, 6] as const)(
    'what a container asks of a sibling that it is kept apart from is counted and listed, IPv%i',
    async (n, { host, skip }) => {
      if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
      const [c1, c2] = [await addContainer(host, oneProcess()), await addContainer(host, oneProcess())];
      await host.serve(c2, { port: 80 });
      expect(await host.fetch(c1, addressOf(c2.result, n), 80)).toBe('timeout');
      expect(await deniedOf(host, c1)).toBeGreaterThan(0);
      expect(await deniedOf(host, c2)).toBe(0);
      const asked = await elementsOf(host, `guard_asked${n}`, 'bridge drawbridge');
      expect(asked).toEqual([expect.stringContaining(`${addressOf(c1.result, n)} . `)]);
    },
  );

  test.for([
    [4, 'tcp'],
    [4, 'udp'],
    [6, 'tcp'],
    [6, 'udp'],
  ] as const)(
    'a frame straight to the MAC of such a sibling is listed with protocol and port, IPv%i %s',
    async ([n, proto], { host, skip }) => {
      if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
      const [c1, c2] = [await addContainer(host, oneProcess()), await addContainer(host, oneProcess())];
      const [own, other] = [addressOf(c1.result, n), addressOf(c2.result, n)];
      await host.sh(`ip neigh replace ${other} lladdr ${macOf(c2.result)} dev eth0 nud permanent`, { where: c1 });
      expect(await host.fetch(c1, other, 80, { proto })).toBe('timeout');
      const listed = await elementsOf(host, `guard_denied${n}`, 'bridge drawbridge');
      expect(listed).toEqual([expect.stringContaining(`${own} . ${other} . ${proto} . 80 counter packets`)]);
      expect(await deniedOf(host, c1)).toBeGreaterThan(0);
    },
  );

  test.for(['isolated', 'not isolated'] as const)(
    'a sibling that is kept apart counts against one that is %s',
    async (kind, { host, skip }) => {
      if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
      const [apart, open] = [
        await addContainer(host, oneProcess()),
        await addContainer(host, oneProcess({ isolation: 'bridge' })),
      ];
      const [from, to] = kind === 'isolated' ? [open, apart] : [apart, open];
      expect(await host.fetch(from, addressOf(to.result, 4), 80)).toBe('timeout');
      expect(await deniedOf(host, from)).toBeGreaterThan(0);
    },
  );

  test('nothing is counted between siblings that may talk, nor of a container and its host', async ({ host, skip }) => {
    if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
    const list = oneProcess({ isolation: 'bridge', hostAccess: 'all' });
    const [c1, c2] = [await addContainer(host, list), await addContainer(host, list)];
    await host.serve(c2, { port: 80 });
    await host.serve(host, { port: 81 });
    expect(await host.fetch(c1, addressOf(c2.result, 4), 80)).toBe(addressOf(c1.result, 4));
    expect(await host.fetch(c1, addressOf(c2.result, 6), 80)).toBe(addressOf(c1.result, 6));
    expect(await host.fetch(c1, '10.1.0.1', 81)).toBe(addressOf(c1.result, 4));
    expect([await deniedOf(host, c1), await deniedOf(host, c2)]).toEqual([0, 0]);
  });
});

describe('drawbridge watch', () => {
  test.for([
    [4, 'arp'],
    [6, 'ndp'],
  ] as const)('shows what a container asks of such a sibling, IPv%i by %s', async ([n, protocol], { host }) => {
    const [c1, c2] = [await addContainer(host, oneProcess()), await addContainer(host, oneProcess())];
    const watching = host.exec([executable, 'watch', '--json', '--for', '4']);
    const asked = async (): Promise<number> => {
      await host.fetch(c1, addressOf(c2.result, n), 80);
      return deniedOf(host, c1);
    };
    await expect.poll(asked, { timeout: 3500 }).toBeGreaterThan(2);
    const events = (await watching).stdout.trim().split('\n');
    expect(events.map((line) => JSON.parse(line) as Json)).toContainEqual(
      expect.objectContaining({
        source: addressOf(c1.result, n),
        destination: addressOf(c2.result, n),
        protocol,
        port: null,
        rule: 'isolation "container"',
      }),
    );
  });
});

test('counts between siblings outlive that the tables are written anew', async ({ host }) => {
  const [c1, c2] = [await addContainer(host, oneProcess()), await addContainer(host, oneProcess())];
  for (const n of [4, 6] as const) expect(await host.fetch(c1, addressOf(c2.result, n), 80)).toBe('timeout');
  const before = await deniedOf(host, c1);
  expect(before).toBeGreaterThan(0);
  const layout = /layout_\w+/u.exec(await host.run(['nft', 'list', 'table', 'bridge', 'drawbridge']))?.[0] ?? '';
  await host.run(['nft', 'delete', 'set', 'bridge', 'drawbridge', layout]);
  await addContainer(host, oneProcess());
  expect(await host.run(['nft', 'list', 'table', 'bridge', 'drawbridge'])).toContain(layout);
  expect(await deniedOf(host, c1)).toBeGreaterThanOrEqual(before);
  for (const n of [4, 6] as const)
    expect(await elementsOf(host, `guard_asked${n}`, 'bridge drawbridge')).toEqual([
      expect.stringContaining(addressOf(c1.result, n)),
    ]);
});

async function deniedOf(host: Host, { result }: { result: Json }): Promise<number> {
  const listed = JSON.parse(await host.run([executable, 'list', '--json'])) as Json[];
  const own = listed.find(({ ips }) => JSON.stringify(ips).includes(`"${addressOf(result, 4)}`));
  return own?.['denied'] as number;
}

function macOf({ interfaces }: Json): string {
  const inside = (interfaces as { sandbox?: string; mac: string }[]).find(({ sandbox = '' }) => sandbox !== '');
  return inside?.mac ?? '';
}
