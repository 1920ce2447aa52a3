import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Listener } from '../../src/host/listeners.ts';
import { values } from '../records/calls.ts';
import { mapping } from '../records/sample.ts';
import { makeLab, type Lab } from './lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await makeLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('forgetUdpFlows()', () => {
  test('lets a client reach the container that its flow did not lead to (plugins#123)', async () => {
    const { host, outside, c1 } = lab;
    await lab.publish({});
    await host.serve(c1, { port: 5353, proto: 'udp', reply: 'c1' });
    const old = await host.serve(host, { port: 53, proto: 'udp', reply: 'host' });
    const ask = () => host.fetch(outside, outside.hostV4, 53, { proto: 'udp', fromPort: 4000 });
    expect(await ask()).toBe('host');
    await lab.publish({ ports: [mapping(53, 5353, { protocol: 'udp' })] });
    expect(await ask(), 'the flow goes where it went').toBe('host');
    expect(await values(host, ['forgetUdpFlows', [{ families: [4, 6], hostPort: 53 }]])).toEqual([[]]);
    expect(await ask()).toBe('c1');
    await old.close();
  });

  test('leaves the flows of other ports and other addresses', async () => {
    const { host, outside } = lab;
    await host.fetch(outside, outside.hostV4, 53, { proto: 'udp', fromPort: 4001 });
    const flows = () => host.run(['conntrack', '-L', '-p', 'udp', '--orig-port-src', '4001']);
    await values(host, [
      'forgetUdpFlows',
      [
        { families: [4], hostPort: 54 },
        { families: [4], hostIp: '192.0.2.9', hostPort: 53 },
      ],
    ]);
    expect(await flows()).toContain('dport=53');
    await values(host, ['forgetUdpFlows', [{ families: [4], hostIp: outside.hostV4, hostPort: 53 }]]);
    expect(await flows()).toBe('');
  });
});

test('tryForgetFlowsOf() forgets what an address began and what leads to it', async () => {
  const { host, outside, c1 } = lab;
  await lab.publish({ ports: [mapping(53, 5353, { protocol: 'udp' })] });
  await host.fetch(outside, outside.hostV4, 53, { proto: 'udp', fromPort: 4002 });
  await host.fetch(c1, outside.v4, 9, { proto: 'udp', fromPort: 4003, timeout: 50 });
  const flows = async () =>
    (await host.run(['conntrack', '-L', '-p', 'udp'])).split('\n').filter((line) => /sport=400[23]/.test(line)).length;
  expect(await flows()).toBe(2);
  expect(await values(host, ['tryForgetFlowsOf', ['10.88.0.2', 'fd00:88::2']])).toEqual([[]]);
  expect(await flows()).toBe(0);
});

test('findListeners() names the process that listens on a port of the host', async () => {
  const { host, c2 } = lab;
  const listen = (proto: string, address: string) =>
    `import socket, time; s = socket.socket(socket.AF_INET${address.includes(':') ? '6' : ''}, socket.SOCK_${proto}); s.bind(("${address}", 7777)); ${proto === 'STREAM' ? 's.listen();' : ''} print(1, flush=True); time.sleep(60)`;
  await host.spawn(['python3', '-c', listen('STREAM', '127.0.0.1')]);
  await host.spawn(['python3', '-c', listen('DGRAM', '::')]);
  await host.serve(c2, { port: 7778 });
  const steps = [mapping(7777, 1), mapping(7777, 1, { protocol: 'udp' }), mapping(7778, 1)].map(
    (port) => ['findListeners', [port]] as const,
  );
  await expect
    .poll(async () => (await values(host, ...steps)) as Listener[][], { timeout: 5000 })
    .toEqual([
      [
        {
          protocol: 'tcp',
          port: 7777,
          inode: expect.any(String),
          process: expect.stringMatching(/^python3.* \(pid \d+\)$/),
        },
      ],
      [
        {
          protocol: 'udp',
          port: 7777,
          inode: expect.any(String),
          process: expect.stringMatching(/^python3.* \(pid \d+\)$/),
        },
      ],
      [],
    ]);
});

test('a packet that belongs to no connection does not leave with the address of the container (plugins#816)', async () => {
  const { host, outside, c1 } = lab;
  await lab.publish({});
  const counter =
    'table ip t { counter leaked { }; chain c { type filter hook prerouting priority raw; ip saddr 10.88.0.2 counter name leaked; }; }';
  await host.run(['nft', '-f', '-'], { where: outside, input: counter });
  const count = async () =>
    Number(
      /packets (\d+)/.exec(await host.run(['nft', 'list', 'counter', 'ip', 't', 'leaked'], { where: outside }))?.[1],
    );
  const reset = `
import socket, struct
def sum16(b):
    t = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    t = (t & 0xffff) + (t >> 16)
    return ~(t + (t >> 16)) & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
head = lambda c: struct.pack("!HHIIBBHHH", 4444, 80, 1, 0, 0x50, 4, 0, c, 0)
pseudo = socket.inet_aton("10.88.0.2") + socket.inet_aton("192.0.2.2") + struct.pack("!BBH", 0, 6, 20)
raw.sendto(head(sum16(pseudo + head(0))), ("192.0.2.2", 0))
`;
  await host.run(['python3', '-c', reset], { where: c1 });
  expect(await count()).toBe(0);
  await host.run(['nft', 'flush', 'chain', 'inet', 'drawbridge', 'untranslated']);
  await host.run(['python3', '-c', reset], { where: c1 });
  expect(await count(), 'without the rule it leaks').toBe(1);
});
