import { describe, expect, test } from '../helpers/host.ts';
import { addContainer, makeWorld, ways } from '../plugins/egress-policy/network.ts';

describe.for(Object.entries(ways))('in %s', ([, list]) => {
  test('ARP is answered for the gateway and for no other address of the host', async ({ host }) => {
    await makeWorld(host);
    await host.sh('ip link add other type bridge; ip addr add 10.99.0.1/24 dev other; ip link set other up');
    const container = await addContainer(host, list({ mode: 'open', hostAccess: 'all' }));
    const script = `from scapy.all import *
import sys
for address in sys.argv[1:]:
    answered, _ = srp(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst=address), iface="eth0", timeout=0.7, verbose=False)
    print(address, len(answered))`;
    const asked = ['10.1.0.1', '127.0.0.1', '192.0.2.1', '10.99.0.1'];
    const answers = await host.run(['/usr/bin/python3', '-c', script, ...asked], { where: container, timeout: 20_000 });
    expect(answers.trim().split('\n')).toEqual(['10.1.0.1 1', '127.0.0.1 0', '192.0.2.1 0', '10.99.0.1 0']);
  });
});
