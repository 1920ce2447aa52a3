import { describe, expect, test as base, type Container, type Host, type Json, type Outside } from '../helpers/host.ts';
import { addContainer, addressOf, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { countArrivals, sendPacket, settle } from './packets.ts';

type Added = Container & { result: Json };

interface Lab {
  readonly host: Host;
  readonly outside: Outside;
  readonly attacker: Added;
  readonly sibling: Added;
  /** Address of the sibling. */
  readonly own: string;
}

/**
 * An attacker that may send nothing, and a sibling and the host with flows to 8.8.8.8: port 9 from ports 4002 and
 * 4001, and pings with these ids.
 */
const test = base.extend<{ lab: Lab }>({
  lab: async ({ host }, use) => {
    const outside = await makeWorld(host);
    await host.serve(outside, { port: 9, proto: 'udp' });
    const attacker = await addContainer(host, oneProcess({ preset: 'none' }), { name: 'attacker' });
    const sibling = await addContainer(host, oneProcess(), { name: 'sibling' });
    expect(await host.fetch(host, world.public4, 9, { proto: 'udp', fromPort: 4001 })).toBe('192.0.2.1');
    expect(await host.fetch(sibling, world.public4, 9, { proto: 'udp', fromPort: 4002 })).toBe('192.0.2.1');
    await sendPacket(host, host, echo(4001));
    await sendPacket(host, sibling, echo(4002));
    await use({ host, outside, attacker, sibling, own: addressOf(sibling.result, 4) });
  },
});

/** Pings 8.8.8.8 once, with this id. */
const echo = (id: number): string => `IP(dst="${world.public4}") / ICMP(type=8, id=${id}, seq=1) / Raw(b"x" * 64)`;

/** An error "fragmentation needed" that quotes a ping, which would lower a path MTU. */
const tooBig = (to: string, id: number): string =>
  `IP(dst="${to}") / ICMP(type=3, code=4, nexthopmtu=576) / IP(src="${to}", dst="${world.public4}") / ICMP(type=8, id=${id}, seq=1) / Raw(b"x" * 64)`;

/** An error "port unreachable" about what 8.8.8.8 sent, to 8.8.8.8. */
const refusal = (receiver: string, port: number): string =>
  `IP(dst="${world.public4}") / ICMP(type=3, code=3) / IP(src="${world.public4}", dst="${receiver}") / UDP(sport=9, dport=${port}) / Raw(b"out" * 20)`;

describe('an ICMP error that quotes a flow of somebody else', () => {
  test('does not reach the host, and one from a router does', async ({ lab: { host, outside, attacker } }) => {
    const arrived = await countArrivals(host, host, 'icmp type destination-unreachable');
    await sendPacket(host, attacker, tooBig('192.0.2.1', 4001));
    await settle();
    expect(await arrived()).toBe(0);
    await sendPacket(host, outside, tooBig('192.0.2.1', 4001));
    await expect.poll(arrived).toBe(1);
  });

  test('does not reach a sibling, and one from a router does', async ({
    lab: { host, outside, attacker, sibling, own },
  }) => {
    const arrived = await countArrivals(host, sibling, 'icmp type destination-unreachable');
    await sendPacket(host, attacker, tooBig(own, 4002));
    await settle();
    expect(await arrived()).toBe(0);
    await sendPacket(host, outside, tooBig('192.0.2.1', 4002));
    await expect.poll(arrived).toBe(1);
  });

  test('carries nothing out, and one about a flow of its own passes', async ({
    lab: { host, outside, attacker, sibling, own },
  }) => {
    const arrived = await countArrivals(host, outside, 'icmp type destination-unreachable');
    await sendPacket(host, attacker, refusal('192.0.2.1', 4001));
    await sendPacket(host, attacker, refusal(own, 4002));
    await settle();
    expect(await arrived()).toBe(0);
    await sendPacket(host, sibling, refusal(own, 4002));
    await expect.poll(arrived).toBe(1);
  });
});
