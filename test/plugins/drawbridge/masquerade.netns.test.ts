import { describe, expect, test } from '../../helpers/host.ts';
import { addressesIn, attachmentsLeft, expectFailure, hostLocal, interfaceConf, succeeded } from './network.ts';

/** Prints source and protocol of every IPv4 packet that comes in by eth0. */
const sniffer = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)); s.bind(("eth0", 0x0800))
print("listening", flush=True)
while True:
    packet = s.recv(2000)
    print(socket.inet_ntoa(packet[12:16]), packet[9], flush=True)
`;

/** Sends a RST of a connection that nobody has. */
const resetSender = `
import socket, struct, sys
target = sys.argv[1]
header = struct.pack("!HHIIBBHHH", 4321, 80, 1, 0, 5 << 4, 4, 0, 0, 0)
pseudo = socket.inet_aton("10.1.0.2") + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(header))
total = sum(struct.unpack("!%dH" % ((len(pseudo) + len(header)) // 2), pseudo + header))
total = (total >> 16) + (total & 0xFFFF); total += total >> 16
header = header[:16] + struct.pack("!H", ~total & 0xFFFF) + header[18:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
s.sendto(header, (target, 0))
`;

describe('"ipMasq"', () => {
  test('hides a container behind the address of the host, in both families', async ({ host }) => {
    const outside = await host.outside();
    const server = await host.serve(outside);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    expect(await host.fetch(container, outside.v6, server.port)).toBe(outside.hostV6);
  });

  test("shows the container's own address when it is false", async ({ host }) => {
    const outside = await host.outside();
    await host.sh(`ip route add 10.1.0.0/24 via ${outside.hostV4}; ip route add fd01::/64 via ${outside.hostV6}`, {
      where: outside,
    });
    const server = await host.serve(outside);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ipMasq: false }), { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe('10.1.0.2');
    expect(await host.fetch(container, outside.v6, server.port)).toBe('fd01::2');
  });

  test('leaves what stays inside the network alone', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    const [four = '', six = ''] = addressesIn(succeeded(await host.cni('ADD', interfaceConf(), { container: c2 })));
    const server = await host.serve(c2);
    expect(await host.fetch(c1, four, server.port)).toBe('10.1.0.2');
    expect(await host.fetch(c1, six, server.port)).toBe('fd01::2');
  });

  test('is not needed to reach the host, which sees the container itself', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    const server = await host.serve(host);
    expect(await host.fetch(container, '10.1.0.1', server.port)).toBe('10.1.0.2');
  });

  test('never lets a packet out with the address of a container, be it one that conntrack cannot place', async ({
    host,
  }) => {
    const outside = await host.outside({ v6: false });
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ipam: hostLocal('10.1.0.0/24') }), { container }));
    const watch = await host.spawn(['python3', '-c', sniffer], { where: outside });
    await expect.poll(() => host.run(['cat', watch.log]), { timeout: 5000, interval: 20 }).toContain('listening');
    await host.run(['python3', '-c', resetSender, outside.v4], { where: container });
    expect(await host.ping(container, outside.v4)).toBe('answer');
    await expect.poll(() => host.run(['cat', watch.log]), { timeout: 5000, interval: 20 }).toContain('192.0.2.1 1');
    expect(await host.run(['cat', watch.log])).not.toContain('10.1.0.2');
    await watch.stop();
  });

  test('of an address ends with its container', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('"ipMasqBackend"', () => {
  test('may be "nftables"', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ipMasqBackend: 'nftables' }), { container }));
  });

  test.for([
    ['iptables', 2],
    ['pf', 7],
  ] as const)('is refused when it is %j', async ([ipMasqBackend, code], { host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf({ ipMasqBackend }), { container });
    expectFailure(outcome, code, new RegExp(`"ipMasqBackend".*"${ipMasqBackend}"`));
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('a host that drops what it does not know', () => {
  test('lets containers out whose bridge is opened in its firewall, and is as before after the last DEL', async ({
    host,
    skip,
  }) => {
    if ((await host.exec(['iptables', '-P', 'FORWARD', 'DROP'])).code !== 0) skip('iptables does not work here');
    const outside = await host.outside({ v6: false });
    const server = await host.serve(outside);
    const container = await host.container();
    const conf = interfaceConf({ ipam: hostLocal('10.1.0.0/24') });
    succeeded(await host.cni('ADD', conf, { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    succeeded(await host.cni('DEL', conf, { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});
