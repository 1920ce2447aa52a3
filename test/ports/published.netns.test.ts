import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../helpers/host.ts';
import { mapping } from '../records/sample.ts';
import { makeLab, type Lab } from './lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await makeLab();
  const { host, c1 } = lab;
  await host.serve(c1, { port: 80, reply: 'c1 saw {peer}' });
  await host.serve(c1, { port: 5353, proto: 'udp', reply: 'c1 saw {peer}' });
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('a port that is published on every address', () => {
  beforeAll(() => lab.publish({ ports: [mapping(8080, 80), mapping(53, 5353, { protocol: 'udp' })] }));

  test.for([
    ['10.88.0.1', 'fd00:88::1', 'drawbridge0'],
    ['192.0.2.1', '2001:db8:ffff::1', 'eth0'],
  ])('is reached from the host itself by %s and %s', async ([v4 = '', v6 = '']) => {
    const { host } = lab;
    expect(await host.fetch(host, v4, 8080)).toBe(`c1 saw ${v4}`);
    expect(await host.fetch(host, v6, 8080)).toBe(`c1 saw ${v6}`);
    expect(await host.fetch(host, v4, 53, { proto: 'udp' })).toBe(`c1 saw ${v4}`);
  });

  test('is reached from outside, and the container sees the address of the client', async () => {
    const { host, outside } = lab;
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('c1 saw 192.0.2.2');
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe('c1 saw 2001:db8:ffff::2');
    expect(await host.fetch(outside, outside.hostV4, 53, { proto: 'udp' })).toBe('c1 saw 192.0.2.2');
    expect(await host.fetch(outside, outside.hostV6, 53, { proto: 'udp' })).toBe('c1 saw 2001:db8:ffff::2');
  });

  test('is reached from the host by 127.0.0.1, and the container sees the gateway', async () => {
    const { host } = lab;
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('c1 saw 10.88.0.1');
    expect(await host.fetch(host, '127.0.0.1', 53, { proto: 'udp' })).toBe('c1 saw 10.88.0.1');
  });

  test('leaves ::1 to the host, which refuses at once', async () => {
    expect(await lab.host.fetch(lab.host, '::1', 8080)).toBe('refused');
  });

  test('is reached by the container itself through the address of the host', async () => {
    const { host, c1, outside } = lab;
    expect(await host.fetch(c1, outside.hostV4, 8080)).toBe('c1 saw 10.88.0.1');
    expect(await host.fetch(c1, outside.hostV6, 8080)).toBe('c1 saw fd00:88::1');
    expect(await host.fetch(c1, '10.88.0.1', 8080)).toBe('c1 saw 10.88.0.1');
  });

  test('is reached by a sibling through the address of the host', async () => {
    const { host, c2, outside } = lab;
    expect(await host.fetch(c2, outside.hostV4, 8080)).toBe('c1 saw 10.88.0.1');
    expect(await host.fetch(c2, outside.hostV6, 8080)).toBe('c1 saw fd00:88::1');
    expect(await host.fetch(c2, outside.hostV4, 53, { proto: 'udp' })).toBe('c1 saw 10.88.0.1');
  });

  test('is reached from another bridge of ours with the address of the client', async () => {
    const { host, c3, outside } = lab;
    expect(await host.fetch(c3, outside.hostV4, 8080)).toBe('c1 saw 10.88.1.2');
    expect(await host.fetch(c3, outside.hostV6, 8080)).toBe('c1 saw fd00:89::2');
  });

  test("leaves traffic for other hosts' ports alone (GHSA-jv3w-x3r3-g6rm)", async () => {
    const { host, outside, c2 } = lab;
    await outside.address('198.51.100.7', '2001:db8:7::7').catch(() => undefined);
    const tcp = await host.serve(outside, { port: 8080, reply: 'outside saw {peer}' });
    expect(await host.fetch(c2, '198.51.100.7', 8080)).toBe('outside saw 192.0.2.1');
    // The first neighbour solicitation of a fresh pair may be lost, and is repeated after a second.
    expect(await host.fetch(c2, '2001:db8:7::7', 8080, { timeout: 2500 })).toBe('outside saw 2001:db8:ffff::1');
    expect(await host.fetch(host, '198.51.100.7', 8080)).toBe('outside saw 192.0.2.1');
    await tcp.close();
  });

  test('leaves the other ports and protocols of the host alone', async () => {
    const { host, outside } = lab;
    const server = await host.serve(host, { port: 8081, reply: 'host' });
    expect(await host.fetch(outside, outside.hostV4, 8081)).toBe('host');
    expect(await host.fetch(outside, outside.hostV4, 8080, { proto: 'udp' })).toBe('refused');
    expect(await host.fetch(outside, outside.hostV4, 80)).toBe('refused');
    await server.close();
  });

  test('is not reached from outside by 127.0.0.1 (moby#45610)', async () => {
    const { host, outside, c1 } = lab;
    const server = await host.serve(c1, { port: 5354, proto: 'udp' });
    await lab.publish({ ports: [mapping(54, 5354, { protocol: 'udp' })] });
    await sendRaw(outside, await macOf('eth0'), { from: '192.0.2.2', to: '127.0.0.1', port: 54 });
    expect(await server.peers()).toEqual([]);
    await sendRaw(outside, await macOf('eth0'), { from: '192.0.2.2', to: '192.0.2.1', port: 54 });
    expect(await server.peers()).toEqual(['192.0.2.2']);
    await server.close();
  });
});

describe('a port that is published on one address of the host', () => {
  beforeAll(() =>
    lab.publish({
      ports: [
        mapping(8080, 80, { hostIp: '192.0.2.1', families: [4] }),
        mapping(8080, 80, { hostIp: '2001:db8:ffff::1', families: [6] }),
        mapping(9090, 80, { hostIp: '127.0.0.1', families: [4] }),
      ],
    }),
  );

  test('is reached through that address', async () => {
    const { host, outside } = lab;
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('c1 saw 192.0.2.2');
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe('c1 saw 2001:db8:ffff::2');
  });

  test('is not reached through another address of the host', async () => {
    const { host } = lab;
    expect(await host.fetch(host, '10.88.0.1', 8080)).toBe('refused');
    expect(await host.fetch(host, 'fd00:88::1', 8080)).toBe('refused');
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('refused');
  });

  test('on 127.0.0.1 is for the host alone', async () => {
    const { host, outside } = lab;
    expect(await host.fetch(host, '127.0.0.1', 9090)).toBe('c1 saw 10.88.0.1');
    expect(await host.fetch(outside, outside.hostV4, 9090)).toBe('refused');
  });
});

describe('"0.0.0.0" and "::"', () => {
  beforeAll(() => lab.publish({ ports: [mapping(8080, 80, { families: [4] }), mapping(8081, 80, { families: [6] })] }));

  test('publish in their own family only', async () => {
    const { host, outside } = lab;
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('c1 saw 192.0.2.2');
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe('refused');
    expect(await host.fetch(outside, outside.hostV4, 8081)).toBe('refused');
    expect(await host.fetch(outside, outside.hostV6, 8081)).toBe('c1 saw 2001:db8:ffff::2');
  });
});

describe('with "snat" off', () => {
  beforeAll(() => lab.publish({ ports: [mapping(8080, 80)], snat: false }));

  test('a published port is reached from outside, and not from 127.0.0.1', async () => {
    const { host, outside } = lab;
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('c1 saw 192.0.2.2');
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('timeout');
  });
});

describe('masquerade', () => {
  test('hides a container behind the host outside, and only there', async () => {
    await lab.publish({});
    const { host, outside, c1, c2 } = lab;
    await host.serve(outside, { port: 7000, reply: '{peer}' });
    await host.serve(c2, { port: 7000, reply: '{peer}' });
    await host.serve(host, { port: 7000, reply: '{peer}' });
    expect(await host.fetch(c1, outside.v4, 7000)).toBe('192.0.2.1');
    expect(await host.fetch(c1, outside.v6, 7000)).toBe('2001:db8:ffff::1');
    expect(await host.fetch(c1, '10.88.0.3', 7000)).toBe('10.88.0.2');
    expect(await host.fetch(c1, 'fd00:88::3', 7000)).toBe('fd00:88::2');
    expect(await host.fetch(c1, '10.88.0.1', 7000)).toBe('10.88.0.2');
  });

  test('hides it from another bridge as well', async () => {
    const { host, c1, c3 } = lab;
    await host.serve(c3, { port: 7000, reply: '{peer}' });
    expect(await host.fetch(c1, '10.88.1.2', 7000)).toBe('10.88.1.1');
  });

  test('leaves a container without ipMasq its address', async () => {
    await lab.publish({ masquerade: false });
    const { host, outside, c1, c2 } = lab;
    expect(await host.fetch(c1, outside.v4, 7000)).toBe('10.88.0.2');
    expect(await host.fetch(c1, outside.v6, 7000)).toBe('fd00:88::2');
    expect(await host.fetch(c2, outside.v4, 7000)).toBe('192.0.2.1');
  });
});

describe('a container on a bridge with route_localnet', () => {
  test.for([
    ['10.88.0.2', '127.0.0.1', 'to what listens on the loopback of the host'],
    ['127.0.0.1', '10.88.0.1', 'in the name of the loopback'],
  ])('sends nothing from %s to %s: %s', async ([from = '', to = '']) => {
    await lab.publish({});
    const { host, c1 } = lab;
    await host.sh(
      'sysctl -qw net.ipv4.conf.drawbridge0.accept_local=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.drawbridge0.rp_filter=0',
    );
    const server = await host.serve(host, { port: 6000, proto: 'udp', address: to });
    await sendRaw(c1, await macOf('drawbridge0'), { from, to, port: 6000 });
    expect(await server.peers()).toEqual([]);
    await host.run(['nft', 'flush', 'chain', 'inet', 'drawbridge', 'loopback']);
    await sendRaw(c1, await macOf('drawbridge0'), { from, to, port: 6000 });
    expect(await server.peers(), 'without the guard it arrives').toEqual([from]);
    await server.close();
  });
});

async function macOf(device: string): Promise<string> {
  return (await lab.host.run(['cat', `/sys/class/net/${device}/address`])).trim();
}

/** Sends one UDP packet as an Ethernet frame, past the sender's own routing, and waits until it must have come. */
async function sendRaw(
  where: Place,
  mac: string,
  { from, to, port }: { from: string; to: string; port: number },
): Promise<void> {
  await lab.host.run(['python3', '-c', rawSender, mac, from, to, String(port)], { where });
  await sleep(100);
}

const rawSender = `
import socket, struct, sys
mac, source, target, port = sys.argv[1:]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
addresses = socket.inet_aton(source) + socket.inet_aton(target)
def header(checksum):
    return struct.pack("!BBHHHBBH", 0x45, 0, 32, 0, 0, 64, 17, checksum) + addresses
total = sum(struct.unpack("!10H", header(0)))
total = (total & 0xffff) + (total >> 16)
ethernet = bytes.fromhex(mac.replace(":", "")) + raw.getsockname()[4] + b"\\x08\\x00"
raw.send(ethernet + header(~total & 0xffff) + struct.pack("!HHHH", 4444, int(port), 12, 0) + b"evil")
`;
