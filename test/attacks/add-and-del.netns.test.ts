/** Moments of ADD and DEL at which one of the things that keep a container in is not there. */
import { describe, expect, test, type Conflist, type Host, type Json, type Place } from '../helpers/host.ts';
import { succeeded } from '../plugins/drawbridge/network.ts';
import {
  addContainer,
  chain,
  makeWorld,
  referenceChain,
  referencePlugins,
  runChain,
  ways,
  world,
} from '../plugins/egress-policy/network.ts';
import { countArrivals, settle } from './packets.ts';

/** Sends to port 9 of addresses without end, and prints when it begins. */
const sender = `
import socket, sys
s4, s6 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
print("sending", flush=True)
while True:
    for address in sys.argv[1:]:
        try: (s6 if ":" in address else s4).sendto(b"out", socket.MSG_DONTWAIT, (address, 9))
        except OSError: pass
`;

async function startSending(host: Host, where: Place, ...addresses: string[]): Promise<void> {
  const { log } = await host.spawn(['/usr/bin/python3', '-u', '-c', sender, ...addresses], { where });
  while ((await host.run(['cat', log])) === '') await settle();
}

/** The environment of a plugin that changes links late, and rules at once. */
async function slowLinks(host: Host): Promise<Record<string, string>> {
  await host.sh('mkdir -p /run/slow; cat > /run/slow/ip; chmod +x /run/slow/ip', {
    input: `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ "$*" != "-batch -" ] || { commands=$(cat); case $commands in *"link del"*) sleep 1;; esac; echo "$commands" | exec ip -batch -; exit; }
exec ip "$@"
`,
  });
  return { DRAWBRIDGE_CHILDREN: '1', PATH: '/run/slow:/usr/sbin:/usr/bin:/sbin:/bin' };
}

const step = (list: Conflist, place: number, prevResult?: Json): Json => {
  const conf = { ...list.plugins[place], cniVersion: list.cniVersion, name: list.name };
  return prevResult === undefined ? conf : { ...conf, prevResult };
};

describe.for(Object.entries(ways))('in %s', ([, way]) => {
  test.for([
    ['the last on its bridge', 0],
    ['one of several', 1],
  ] as const)(
    'a process whose namespace has lost its path gets out nothing that was denied while its container is removed: %s',
    async ([, others], { host }) => {
      const outside = await makeWorld(host);
      const list = way({ onDeny: 'drop' });
      for (let count = 0; count < others; count++) await addContainer(host, list);
      const arrived = await countArrivals(host, outside, `ip daddr ${world.private4} udp dport 9`);
      const allowed = await host.serve(outside, { port: 9, proto: 'udp', address: world.public4 });
      const container = await addContainer(host, list);
      await startSending(host, container, world.private4, world.public4);
      await expect.poll(async () => (await allowed.peers()).length).toBeGreaterThan(0);
      await container.remove();
      succeeded(await host.delChain(list, { container, env: await slowLinks(host) }));
      expect(await arrived()).toBe(0);
    },
  );
});

test.skipIf(referencePlugins() === undefined).for(['bridge', 'ptp'] as const)(
  'after the reference plugin "%s" a process whose namespace has lost its path gets out nothing once its policy is gone',
  async (type, { host }) => {
    const outside = await makeWorld(host);
    const list = referenceChain(type, { onDeny: 'drop' });
    const container = await host.container('sender');
    const result = succeeded(await runChain(host, 'ADD', list, { container }));
    const arrived = await countArrivals(host, outside, `ip daddr ${world.private4} udp dport 9`);
    const allowed = await host.serve(outside, { port: 9, proto: 'udp', address: world.public4 });
    await startSending(host, container, world.private4, world.public4);
    await expect.poll(async () => (await allowed.peers()).length).toBeGreaterThan(0);
    await container.remove();
    succeeded(await runChain(host, 'DEL', list, { container, result }));
    await settle();
    expect(await arrived()).toBe(0);
  },
);

describe('after a flush of all rules between the ADDs of the two plugins', () => {
  test.for([
    ['gets nothing out and nothing to the host', true],
    ['that waits for no policy gets out, and to the host', false],
  ] as const)('a container %s', async ([, awaitsPolicy], { host }) => {
    const outside = await makeWorld(host);
    const list = chain({ mode: 'open', hostAccess: 'all' }, { awaitsPolicy, ipMasq: false });
    const container = await host.container('sender');
    const [atOutside, atHost] = await Promise.all(
      [outside, host].map(async (where) => countArrivals(host, where, 'udp dport 9')),
    );
    succeeded(await host.cni('ADD', step(list, 0), { container }));
    await host.sh(
      'nft delete table inet drawbridge; nft delete table bridge drawbridge; nft delete table ip drawbridge; nft delete table ip6 drawbridge',
    );
    await startSending(host, container, world.public4, world.public6, '10.1.0.1', 'fd01::1');
    await settle();
    const heard = [await atOutside?.(), await atHost?.()];
    expect(heard.map((count = 0) => count > 0)).toEqual([!awaitsPolicy, !awaitsPolicy]);
  });
});
