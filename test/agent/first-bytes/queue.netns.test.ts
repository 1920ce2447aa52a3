/** The queue in which connections wait that a name opens: what is told of it, and who takes away what leads to it. */
import { drawbridge } from '../../cli/cli.ts';
import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import { startAgent, until } from '../process/agent.ts';
import { hold, makeSites, type Sites } from './sites.ts';

const isRead = async ({ agent }: Pick<Sites, 'agent'>): Promise<unknown> =>
  until(async () => (await agent.log()).some(({ msg }) => msg === 'first bytes are read'));

async function troubles(host: Host): Promise<readonly { severity: string; found: string }[]> {
  const { json } = await drawbridge(host, ['doctor', '--json']);
  return (json as { check: string; severity: string; found: string }[]).filter(({ check }) => check === 'queue');
}

/** What nft and both kinds of iptables have that leads to a queue. */
async function leading(host: Host): Promise<string> {
  return host.sh(
    `{ iptables-save; ip6tables-save; nft list ruleset; } 2>/dev/null | grep -E 'NFQUEUE|queue (num|to)' || :`,
  );
}

test('who reads the queue comes before other programs of the host', async ({ host }) => {
  await isRead(await makeSites(host));
  expect((await host.sh('ps -o ni= -p $(pgrep -f "[r]ead-first-bytes")')).trim()).toBe('-5');
});

describe('doctor', () => {
  test('has nothing to say of a queue that is read', async ({ host }) => {
    await isRead(await makeSites(host));
    expect(await troubles(host)).toEqual([]);
  });

  test('tells that nobody reads the queue, and that what leads to it is gone, and puts that back', async ({ host }) => {
    const { agent } = await makeSites(host);
    await isRead({ agent });
    await agent.kill();
    // The reader ends with the agent.
    await until(async () => (await host.run(['cat', '/proc/net/netfilter/nfnetlink_queue'])).trim() === '');
    expect(await troubles(host)).toMatchObject([
      { severity: 'problem', found: expect.stringContaining('nobody reads') },
    ]);
    const before = await leading(host);
    expect(before).not.toBe('');
    await host.sh(
      'iptables -t mangle -F; ip6tables -t mangle -F; nft delete table inet drawbridge_queue 2>/dev/null || :',
    );
    const found = (await troubles(host)).map((one) => one.found);
    expect(found).toEqual([expect.stringContaining('is not there'), expect.stringContaining('nobody reads')]);
    await drawbridge(host, ['doctor', '--fix']);
    expect(await leading(host)).toBe(before);
  });
});

/** Opens so many connections by their SYNs alone, as fast as it can. */
async function flood(container: Container, count: number): Promise<void> {
  const script = `import socket, struct, sys
own = socket.inet_aton(sys.argv[1]); to = socket.inet_aton("198.51.100.1")
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP); raw.connect(("198.51.100.1", 0))
for number in range(${count}):
    segment = struct.pack("!HHIIBBHHH", 1024 + number, 443, 1, 0, 5 << 4, 2, 64000, 0, 0)
    words = own + to + struct.pack("!HH", 6, len(segment)) + segment
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total > 0xFFFF: total = (total & 0xFFFF) + (total >> 16)
    try: raw.send(segment[:16] + struct.pack("!H", ~total & 0xFFFF) + segment[18:])
    except OSError: pass`;
  const address = await container.exec(['sh', '-c', "ip -4 -o addr show eth0 | awk '{print $4}' | cut -d/ -f1"]);
  const { stderr } = await container.exec(['python3', '-c', script, address.stdout.trim()], { timeout: 60_000 });
  expect(stderr).toBe('');
}

test('packets that found no room are counted for metrics and doctor, and what stands goes on', async ({ host }) => {
  const sites = await makeSites(host, { policy: { maxConnections: 60_000 } });
  const { container, conflist, agent, curlFrom } = sites;
  await isRead(sites);
  const sibling = await host.container();
  expect((await host.addChain(conflist, { container: sibling })).error).toBeUndefined();
  const talk = await hold(host, sibling);
  expect(await talk()).toContain('200 OK');
  await host.sh('kill -STOP $(pgrep -f "[r]ead-first-bytes")');
  await flood(container, 30_000);
  expect(await talk()).toContain('200 OK');
  await host.sh('kill -CONT $(pgrep -f "[r]ead-first-bytes")');
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  expect(Number(/^drawbridge_first_bytes_overruns (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  expect(text).toMatch(/^drawbridge_first_bytes_waiting_packets \d+$/m);
  expect(await troubles(host)).toMatchObject([
    { severity: 'warning', found: expect.stringContaining('found no room') },
  ]);
  expect(await curlFrom(sibling, 'https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
});

test('an upgrade of the agent loses no connection that stands, nor one that is opened meanwhile', async ({ host }) => {
  const { container, curl, agent } = await makeSites(host);
  await isRead({ agent });
  const talk = await hold(host, container);
  expect(await talk()).toContain('200 OK');
  await agent.stop();
  const opened = curl('https://good.example.org/', '--max-time', '20');
  expect(await talk()).toContain('200 OK');
  await startAgent(host, [], {}, 30_000);
  expect(await opened).toBe('good.example.org HTTP/2.0\n');
  expect(await talk()).toContain('200 OK');
});

test('what leads to the queue goes with the last container, agent or none', async ({ host }) => {
  const { container, conflist, agent } = await makeSites(host);
  const other = await host.container();
  expect((await host.addChain(conflist, { container: other })).error).toBeUndefined();
  await isRead({ agent });
  await agent.kill();
  expect((await host.delChain(conflist, { container: other })).error).toBeUndefined();
  expect(await leading(host)).not.toBe('');
  expect((await host.delChain(conflist, { container })).error).toBeUndefined();
  expect(await leading(host)).toBe('');
  expect((await host.exec(['ls', '/run/drawbridge/queue'])).stdout).toBe('');
});
