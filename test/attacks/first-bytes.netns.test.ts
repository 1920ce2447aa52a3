/** A container under a policy that checks names attacks the queue in which connections wait that a name opens. */
import { fileURLToPath } from 'node:url';
import { makeSites } from '../agent/first-bytes/sites.ts';
import { expect, test } from '../helpers/host.ts';

const script = fileURLToPath(new URL('half-hellos.py', import.meta.url));
const long = process.env['DRAWBRIDGE_FAULTS'] === 'long';

test('many half hellos of a container leave the connections of its sibling alone', async ({ host }) => {
  const { container, conflist, curl, curlFrom, agent } = await makeSites(host);
  const sibling = await host.container();
  expect((await host.addChain(conflist, { container: sibling })).error).toBeUndefined();
  const flood = container.exec(['python3', script, '198.51.100.1', String(long ? 100_000 : 10_000), '1500'], {
    timeout: 120_000,
  });
  let isOver = false;
  void flood.then(() => (isOver = true));
  const answers: string[] = [];
  while (!isOver) answers.push(await curlFrom(sibling, 'https://good.example.org/'));
  const { stdout, stderr } = await flood;
  expect(stderr).toBe('');
  expect(Number(stdout)).toBeGreaterThan(1000);
  expect(answers.length).toBeGreaterThan(3);
  expect(new Set(answers)).toEqual(new Set(['good.example.org HTTP/2.0\n']));
  expect(await agent.running()).toBe(true);
  expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
});

test('an allowed hello that dies on the way, and another one in its place, reach no server', async ({ host }) => {
  const { container, outside } = await makeSites(host);
  const rule = 'table ip own {\n chain out {\n type filter hook output priority 0;\n tcp flags rst drop\n }\n}\n';
  await host.run(['nft', '-f', '-'], { where: container, input: rule });
  const capture = await host.spawn(['tcpdump', '-Uni', 'any', '-A', 'tcp port 80'], { where: outside });
  const source = `import logging; logging.getLogger("scapy").setLevel(40)
from scapy.all import IP, TCP, sr1, send, conf
conf.verb = 0
to = dict(dst="198.51.100.1")
syn = sr1(IP(**to)/TCP(sport=40000, dport=80, flags="S", seq=100), timeout=5)
ack = dict(sport=40000, dport=80, flags="PA", seq=101, ack=syn.seq + 1)
send(IP(**to)/TCP(**{**ack, "flags": "A"}))
for ttl, name in ((2, "good.example.org"), (64, "evil.example.net")):
    send(IP(ttl=ttl, **to)/TCP(**ack)/f"GET / HTTP/1.1\\r\\nHost: {name}\\r\\nX: {'x' * (20 - len(name))}\\r\\n\\r\\n")`;
  // One more hop, at which the first of them ends.
  await host.sh(
    `nft 'add table ip hop; add chain ip hop in { type filter hook prerouting priority -300; }; add rule ip hop in ip ttl 1 drop'`,
    {
      where: outside,
    },
  );
  const sent = await container.exec(['/usr/bin/python3', '-c', source], { timeout: 20_000 });
  expect(sent.stderr).toBe('');
  await host.sh('sleep 1');
  await capture.stop();
  const seen = await host.run(['cat', capture.log]);
  expect(seen).toContain('Flags [R.]');
  expect(seen).not.toContain('evil.example.net');
});
