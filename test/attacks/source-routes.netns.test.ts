import { expect, test } from '../helpers/host.ts';
import { addContainer, addressOf, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { hostLocal, interfaceConf } from '../plugins/drawbridge/network.ts';
import { countArrivals, sendPacket, settle } from './packets.ts';

/**
 * A detour in a datagram of a flow that stands, from port 4000 to port 9. A checksum would be that of the last
 * address. Of strict ones the kernel itself forwards only what goes to a neighbour.
 */
const detours = {
  'a loose source route': (source: string) =>
    `IP(src="${source}", dst="${world.public4}", options=[IPOption_LSRR(routers=["${world.private4}"])]) / UDP(sport=4000, dport=9, chksum=0)`,
  'a routing header': (source: string) =>
    `IPv6(src="${source}", dst="${world.public6}") / IPv6ExtHdrRouting(type=4, addresses=["${world.private6}"], segleft=1) / UDP(sport=4000, dport=9, chksum=0)`,
};

const { cniVersion, name, ...plugin } = interfaceConf({
  name: 'plain',
  bridge: 'br1',
  ipam: hostLocal('10.2.0.0/24', 'fd02::/64'),
});
/** A network of its own without a policy. */
const plain = { cniVersion: cniVersion as string, name: name as string, plugins: [plugin] };

test.for(Object.entries(detours))(
  '%s leaves no container with a policy, in a connection that stands either, and one without a policy it does',
  async ([, detour], { host }) => {
    const outside = await makeWorld(host);
    await host.serve(outside, { port: 9, proto: 'udp' });
    await host.sh('echo 1 | tee /proc/sys/net/ipv4/conf/*/accept_source_route');
    const arrived = await countArrivals(host, outside, 'udp dport 9', 'prerouting priority -400');
    const held = await addContainer(host, oneProcess());
    const family = detour('').startsWith('IPv6') ? 6 : 4;
    const target = family === 6 ? world.public6 : world.public4;
    expect(await host.fetch(held, target, 9, { proto: 'udp', fromPort: 4000 })).not.toBe('timeout');
    const before = await arrived();
    await sendPacket(host, held, detour(addressOf(held.result, family)));
    await settle();
    expect(await arrived()).toBe(before);
    const free = await addContainer(host, plain);
    await host.sh('echo 1 | tee /proc/sys/net/ipv4/conf/*/accept_source_route');
    await sendPacket(host, free, detour(addressOf(free.result, family)));
    await expect.poll(arrived).toBe(before + 1);
  },
);
