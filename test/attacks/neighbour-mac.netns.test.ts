import { expect, test, type Json } from '../helpers/host.ts';
import { show } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, chain, oneProcess } from '../plugins/egress-policy/network.ts';
import { settle } from './packets.ts';

const messages = {
  'a solicitation': 'ICMPv6ND_NS(tgt="fd01::1") / ICMPv6NDOptSrcLLAddr(lladdr="MAC")',
  'an advertisement': 'ICMPv6ND_NA(tgt="OWN", S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr="MAC")',
  "a solicitation with an advertisement's option before":
    'ICMPv6ND_NS(tgt="fd01::1") / ICMPv6NDOptDstLLAddr(lladdr="MINE") / ICMPv6NDOptSrcLLAddr(lladdr="MAC")',
  'a solicitation with another option before':
    'ICMPv6ND_NS(tgt="fd01::1") / Raw(bytes.fromhex("fd01000000000000")) / ICMPv6NDOptSrcLLAddr(lladdr="MAC")',
};

test.for(
  Object.entries(messages).flatMap(([what, message]) =>
    [chain(), oneProcess()].map(
      (list, index) => [`${what}, ${index === 0 ? 'in a chain' : 'in one process'}`, message, list] as const,
    ),
  ),
)('a container does not send what is for it to the MAC of a sibling: %s', async ([what, message, list], { host }) => {
  const [attacker, sibling] = [await addContainer(host, list), await addContainer(host, list)];
  const own = addressOf(attacker.result, 6);
  const macOf = async (where: typeof attacker): Promise<string> =>
    String((await show(host, where, 'link', 'eth0'))['address']);
  const [mine, theirs] = [await macOf(attacker), await macOf(sibling)];
  const gateway = String((await show(host, host, 'link', 'br0'))['address']);
  const known = async (): Promise<unknown> =>
    (JSON.parse(await host.run(['ip', '-6', '-json', 'neigh', 'show', own, 'dev', 'br0'])) as Json[])[0]?.['lladdr'];
  const send = async (text: string, mac: string): Promise<void> => {
    const packet = text.replace('MAC', mac).replace('MINE', mine).replace('OWN', own);
    const script = `from scapy.all import *\nsendp(Ether(src="${mine}", dst="${gateway}")/IPv6(src="${own}", dst="fd01::1", hlim=255)/${packet}, iface="eth0", verbose=False)`;
    await host.run(['/usr/bin/python3', '-c', script], { where: attacker, timeout: 20_000 });
  };
  // An advertisement changes an entry, and makes none.
  await host.sh(`ip -6 neigh replace ${own} lladdr 02:00:00:00:00:99 dev br0 nud stale`);
  await send(message, theirs);
  await settle();
  expect(await known()).toBe('02:00:00:00:00:99');
  await send(what.startsWith('an advertisement') ? message : messages['a solicitation'], mine);
  await expect.poll(known, { timeout: 3000 }).toBe(mine);
});
