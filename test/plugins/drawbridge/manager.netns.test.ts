/** What runs inside a container may set up its new interface too: a network manager, or whoever wants ADD to fail. */
import { pluginFolder } from '../../helpers/executable.ts';
import { expect, test, type Host } from '../../helpers/host.ts';
import { hostLocal, interfaceConf, succeeded } from './network.ts';

const mac = '02:00:5e:00:53:07';
const linkLocal = 'fe80::5eff:fe00:5307';

/** Slow enough for whoever is inside to come in between any two messages to the kernel. */
const slow = `#!/bin/sh\nexec strace -f -qq -o /run/strace -e signal=none -e trace=sendto -e inject=sendto:delay_exit=15000 ${pluginFolder}/drawbridge\n`;

/** Does something inside again and again until it is told to stop; returns how often it was the one that did it. */
async function meanwhile(host: Host, where: { readonly netns: string }, step: string): Promise<() => Promise<number>> {
  await host.sh(
    'rm -f /run/stop /run/done; mkdir -p /opt/slow; cat > /opt/slow/drawbridge; chmod +x /opt/slow/drawbridge',
    {
      input: slow,
    },
  );
  const running = host.sh(
    `until [ -e /run/stop ]; do { ${step}; } 2>/dev/null && echo >> /run/done; done; wc -l < /run/done || echo 0`,
    { where },
  );
  return async () => {
    await host.sh('touch /run/stop');
    return Number(await running);
  };
}

test.for([
  ['sets it up', 'ip link set eth0 up', {}],
  ['gives it the link-local address', `ip addr add ${linkLocal}/64 dev eth0`, {}],
  ['gives it the address of IPv4', 'ip addr add 10.1.0.2/24 dev eth0', {}],
  ['gives it the address of IPv6', 'ip addr add fd01::2/64 dev eth0', {}],
  ['makes its default route', 'ip route add default via 10.1.0.1 dev eth0', {}],
  ['makes its default route of IPv6', 'ip -6 route add default via fd01::1 dev eth0', {}],
  ['makes another of its routes', 'ip route add 192.0.2.0/24 via 10.1.0.1 dev eth0', {}],
  ['makes another of its routes of IPv6', 'ip -6 route add 2001:db8::/32 via fd01::1 dev eth0', {}],
  ['gives it an address that a sibling has', 'ip addr add fd01::2/64 dev eth0', { enabledad: true }],
] as const)('ADD works when somebody inside %s first', async ([, step, more], { host }) => {
  const container = await host.container();
  const conf = interfaceConf({
    ...more,
    runtimeConfig: { mac },
    ipam: {
      ...hostLocal('10.1.0.0/24', 'fd01::/64'),
      routes: [
        { dst: '192.0.2.0/24', gw: '10.1.0.1' },
        { dst: '2001:db8::/32', gw: 'fd01::1' },
      ],
    },
  });
  if ('enabledad' in more)
    succeeded(await host.cni('ADD', { ...conf, runtimeConfig: {} }, { container: await host.container('sibling') }));
  const stop = await meanwhile(host, container, step);
  const added = await host.cni('ADD', conf, { container, program: '/opt/slow/drawbridge' });
  expect(await stop(), 'it was the faster one').toBeGreaterThan(0);
  const prevResult = succeeded(added);
  succeeded(await host.cni('CHECK', { ...conf, prevResult }, { container }));
  expect(prevResult['routes'].every(({ priority = 0 }: { priority?: number }) => priority === 0)).toBe(true);
  for (const address of ['10.1.0.1', 'fd01::1'])
    expect(await host.exec(['ping', '-c1', '-W2', address], { where: container })).toMatchObject({ code: 0 });
});

test('ADD ends when somebody inside takes the interface down again', async ({ host }) => {
  const container = await host.container();
  const conf = interfaceConf({ ipam: {}, isDefaultGateway: false });
  const stop = await meanwhile(host, container, 'ip link show up dev eth0 | grep -q eth0 && ip link set eth0 down');
  const added = await host.cni('ADD', conf, { container, program: '/opt/slow/drawbridge' });
  expect(await stop()).toBeGreaterThan(0);
  succeeded(added);
});
