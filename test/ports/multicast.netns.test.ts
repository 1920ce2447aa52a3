import { expect, test } from 'vitest';
import { makeLab } from './lab.ts';

test('multicast leaves the bridge with the address of the container', async () => {
  await using lab = await makeLab();
  const { host, outside, c1 } = lab;
  // With br_netfilter the packet is settled as untranslated while the bridge floods it, whatever our rules say.
  await host.sh('for file in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $file ] || echo 0 > $file; done');
  await lab.publish({});
  const router = await host.spawn(['python3', '-c', multicastRouter]);
  await expect.poll(() => host.run(['cat', router.log]), { timeout: 5000 }).toBe('ready\n');
  const counters = `table inet t {
    counter four { }
    counter six { }
    chain c {
      type filter hook prerouting priority raw
      ip saddr 10.88.0.2 ip daddr 239.1.2.3 counter name four
      ip6 saddr fd00:88::2 ip6 daddr ff0e::1:2:3 counter name six
    }
  }`;
  await host.run(['nft', '-f', '-'], { where: outside, input: counters });
  await host.run(['python3', '-c', sender], { where: c1 });
  const seen = () => host.run(['nft', 'list', 'counters'], { where: outside });
  await expect.poll(seen, { timeout: 2000 }).toMatch(/four \{\s+packets 1 /);
  await expect.poll(seen, { timeout: 2000 }).toMatch(/six \{\s+packets 1 /);
});

/** Routes one group of each family from the bridge to the uplink (linux/mroute.h, linux/mroute6.h). */
const multicastRouter = `
import socket, struct, time
ip, six = socket.IPPROTO_IP, socket.IPPROTO_IPV6
INIT, ADD_INTERFACE, ADD_ROUTE = 200, 202, 204
links = [socket.if_nametoindex(name) for name in ("drawbridge0", "eth0")]
four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
four.setsockopt(ip, INIT, 1)
for number, link in enumerate(links):
    four.setsockopt(ip, ADD_INTERFACE, struct.pack("=HBBIi4s", number, 8, 1, 0, link, bytes(4)))
route = socket.inet_aton("10.88.0.2") + socket.inet_aton("239.1.2.3")
four.setsockopt(ip, ADD_ROUTE, struct.pack("=8sH32s2xIIIi", route, 0, bytes([0, 1]) + bytes(30), 0, 0, 0, 0))
other = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
other.setsockopt(six, INIT, 1)
for number, link in enumerate(links):
    other.setsockopt(six, ADD_INTERFACE, struct.pack("=HBBHxxI", number, 0, 1, link, 0))
def address(text):
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, text), 0)
other.setsockopt(six, ADD_ROUTE, address("fd00:88::2") + address("ff0e::1:2:3") + struct.pack("=Hxx8I", 0, 2, *[0] * 7))
print("ready", flush=True)
time.sleep(60)
`;

const sender = `
import socket
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
four.sendto(b"x", ("239.1.2.3", 5000))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
six.bind(("fd00:88::2", 0))
six.sendto(b"x", ("ff0e::1:2:3", 5000))
`;
