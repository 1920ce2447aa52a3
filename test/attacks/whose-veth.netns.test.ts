import { expect, test, type Json } from '../helpers/host.ts';
import { expectFailure, succeeded } from '../plugins/drawbridge/network.ts';
import { policyConf } from '../plugins/egress-policy/network.ts';

/** What an interface plugin that names no end on the host returns. */
const resultOf = (sandbox: string): Json => ({
  cniVersion: '1.1.0',
  interfaces: [{ name: 'eth0', sandbox }],
  ips: [{ address: '10.1.0.2/24', interface: 0 }],
});

test('the port of another container is not taken for the own one, whatever indexes a container gives its interfaces', async ({
  host,
}) => {
  const [victim, attacker] = [await host.container('victim'), await host.container('attacker')];
  await host.container('nested');
  await host.sh('ip link add veth9 index 90 type veth peer name eth0 index 7 netns victim; ip link set veth9 up');
  // The other end has the number of the victim's port, in a namespace of the attacker's.
  await host.sh('ip link add eth0 index 7 netns attacker type veth peer name far index 90 netns nested');
  expectFailure(
    await host.cni('ADD', policyConf({}, resultOf(attacker.netns)), { container: attacker }),
    7,
    'its other end is not on this host',
  );
  succeeded(await host.cni('ADD', policyConf({}, resultOf(victim.netns)), { container: victim }));
  expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'enforced'])).toContain('veth9');
});
