/** Where `isolation` lets siblings talk: frames to one of them, or to all, with the address of somebody else inside. */
import { describe, expect, test, type Container, type Host, type Json } from '../helpers/host.ts';
import { show } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { countArrivals, sendFrames, sendPacket, setBridgeNetfilter, settle } from './packets.ts';

type Added = Container & { result: Json };

const both = [4, 6] as const;
async function macOf(host: Host, of: Added): Promise<string> {
  return String((await show(host, of, 'link', 'eth0'))['address']);
}

/** A datagram as scapy has it. */
function datagram(from: Added, destination: string, sport: number, port: number): string {
  const n = destination.includes(':') ? 6 : 4;
  const header = `${n === 4 ? 'IP' : 'IPv6'}(src="${addressOf(from.result, n)}", dst="${destination}")`;
  return `${header}/UDP(sport=${sport}, dport=${port})/b"inside"`;
}

/** An error about what a destination would have answered to {@link datagram}, sent to it. */
function refusal(from: Added, destination: string, sport: number, port: number): string {
  const n = destination.includes(':') ? 6 : 4;
  const header = n === 4 ? 'IP' : 'IPv6';
  const error = n === 4 ? 'ICMP(type=3, code=3)' : 'ICMPv6DestUnreach(code=4)';
  const own = addressOf(from.result, n);
  return `${header}(dst="${destination}")/${error}/${header}(src="${destination}", dst="${own}")/UDP(sport=${port}, dport=${sport})/b"out"`;
}

const unreachable = { 4: 'icmp type destination-unreachable', 6: 'icmpv6 type destination-unreachable' };

const receivers = {
  'a sibling': async (host: Host, _: Added, sibling: Added) => macOf(host, sibling),
  'a group': async () => '01:00:5e:00:00:fb',
  all: async () => 'ff:ff:ff:ff:ff:ff',
  itself: async (host: Host, attacker: Added) => macOf(host, attacker),
};

const attempts = [
  ...Object.entries(receivers).map(([name, receiver]) => [name, 'bridge', receiver] as const),
  ...(['a group', 'all'] as const).map((name) => [name, 'container', receivers[name]] as const),
];

describe.for(attempts)('a frame to %s, with br_netfilter, by isolation %s,', ([, isolation, receiver]) => {
  test.for(both)(
    'makes no flow to a denied address inside that an ICMP error could quote: IPv%i',
    async (n, { host, skip }) => {
      if (!(await setBridgeNetfilter(host, 1))) skip('this kernel has no br_netfilter');
      const outside = await makeWorld(host);
      const [target, ofHost] = n === 4 ? [world.public4, '192.0.2.1'] : [world.public6, '2001:db8:ffff::1'];
      const deny = [`${n === 4 ? target : `[${target}]`}:53/udp`];
      const sibling = await addContainer(host, oneProcess({ mode: 'open', isolation: 'bridge' }));
      const attacker = await addContainer(host, oneProcess({ mode: 'open', deny, hostAccess: 'none', isolation }));
      const mac = await receiver(host, attacker, sibling);
      const arrived = await countArrivals(host, outside, unreachable[n]);
      const toHost = await countArrivals(host, host, unreachable[n]);
      const destinations = [target, ofHost];
      await sendFrames(
        host,
        attacker,
        destinations.map((one) => [mac, datagram(attacker, one, 4002, 53)] as const),
      );
      for (const one of destinations) await sendPacket(host, attacker, refusal(attacker, one, 4002, 53));
      await settle();
      expect({ outside: await arrived(), host: await toHost() }).toEqual({ outside: 0, host: 0 });
      await host.serve(outside, { port: 443, proto: 'udp', reply: 'outside' });
      expect(await host.fetch(attacker, target, 443, { proto: 'udp', fromPort: 4003 })).toBe('outside');
      await sendPacket(host, attacker, refusal(attacker, target, 4003, 443));
      await expect.poll(arrived, { timeout: 3000 }).toBe(1);
    },
  );
});

describe.for([0, 1] as const)('with br_netfilter %i, a frame', (value) => {
  test.for(both)(
    'to the MAC of a sibling arrives with the address of that sibling, and with no other inside: IPv%i',
    async (n, { host, skip }) => {
      if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
      const open = oneProcess({ mode: 'open', isolation: 'bridge' });
      const [victim, other, attacker] = [
        await addContainer(host, open),
        await addContainer(host, open),
        await addContainer(host, open),
      ];
      const mac = await macOf(host, victim);
      const arrived = await countArrivals(host, victim, 'udp dport 9', 'prerouting priority -450');
      const far = n === 4 ? [world.public4, '10.1.0.1', '10.1.0.255'] : [world.public6, 'fd01::1', 'fd01::'];
      const send = async (...to: string[]): Promise<void> =>
        sendFrames(
          host,
          attacker,
          to.map((one) => [mac, datagram(attacker, one, 4002, 9)] as const),
        );
      await send(addressOf(other.result, n), ...far);
      await settle();
      expect(await arrived()).toBe(0);
      await send(addressOf(victim.result, n));
      await expect.poll(arrived, { timeout: 3000 }).toBe(1);
    },
  );

  test('to all or to a group arrives with such an address inside', async ({ host, skip }) => {
    if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
    const victim = await addContainer(host, oneProcess({ isolation: 'bridge' }));
    const attacker = await addContainer(
      host,
      oneProcess({ mode: 'allowlist', allow: ['8.8.8.8'], isolation: 'bridge' }),
    );
    const arrived = await countArrivals(host, victim, 'udp dport 9', 'prerouting priority -450');
    const frames = [
      ['ff:ff:ff:ff:ff:ff', '255.255.255.255'],
      ['ff:ff:ff:ff:ff:ff', '10.1.0.255'],
      ['01:00:5e:00:00:fb', '224.0.0.251'],
      ['33:33:00:00:00:fb', 'ff02::fb'],
    ] as const;
    await sendFrames(
      host,
      attacker,
      frames.map(([mac, address]) => [mac, datagram(attacker, address, 4002, 9)] as const),
    );
    await expect.poll(arrived, { timeout: 3000 }).toBe(frames.length);
  });
});
