/**
 * A real guest: QEMU with Debian's kernel behind a tap of `drawbridge tap add`, root inside. Needs what
 * `sh test/kernels/roots.sh` brings; without it these tests are skipped.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawbridge, shipped } from '../cli/cli.ts';
import { addressBytes } from '../../src/ip/bytes.ts';
import { addContainer, makeWorld, world } from '../plugins/egress-policy/network.ts';
import { attachmentsLeft } from '../plugins/drawbridge/network.ts';
import { makeHost, type Container, type Host, type Outside } from '../helpers/private-host.ts';
import { makeImage, missingForGuests, removeImage, type GuestImage } from './image.ts';
import { bootGuest, type GuestWords, type VirtualMachine } from './vm.ts';

const hex = (...parts: readonly (string | number | Uint8Array)[]): string =>
  parts
    .map((part) =>
      typeof part === 'number'
        ? part.toString(16).padStart(4, '0')
        : typeof part === 'string'
          ? part
          : Buffer.from(part).toString('hex'),
    )
    .join('');
const raw = (text: string): Uint8Array => addressBytes(text) ?? new Uint8Array();
const macHex = (mac: string): string => mac.replaceAll(':', '');

/** Sum of 16-bit words in ones' complement (RFC 1071). */
function checksum(bytes: string): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4) sum += Number.parseInt(bytes.slice(at, at + 4).padEnd(4, '0'), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A datagram "x" as a frame in hexadecimal digits; `tag` is an 802.1Q header. */
function datagram({
  to,
  from,
  source,
  target,
  port = 9,
  tag = '',
}: {
  readonly to: string;
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly port?: number;
  readonly tag?: string;
}): string {
  const udp = hex(40_000, port, 9, 0, '78');
  const head = (sum: number): string =>
    hex('4500', 20 + udp.length / 2, '00010000', '4011', sum, raw(source), raw(target));
  return hex(macHex(to), macHex(from), tag, '0800', head(checksum(head(0))), udp);
}

function arpReply(from: string, { mac, address }: { readonly mac: string; readonly address: string }): string {
  return hex(
    'ffffffffffff',
    macHex(from),
    '0806',
    '0001080006040002',
    macHex(mac),
    raw(address),
    'ffffffffffff',
    raw(address),
  );
}

/** A router advertisement of a router that has the link-local address fe80::bad, for an hour. */
function routerAdvertisement(from: string): string {
  const [source, all] = [raw('fe80::bad'), raw('ff02::1')];
  const icmp = (sum: number): string => hex('8600', sum, '40000e10', '00000000', '00000000');
  const pseudo = hex(source, all, '00000010', '0000003a', icmp(0));
  return hex('333300000001', macHex(from), '86dd', '60000000', '0010', '3aff', source, all, icmp(checksum(pseudo)));
}

const missing = missingForGuests();

describe.skipIf(missing !== undefined)('a guest of QEMU', () => {
  let host: Host;
  let outside: Outside;
  let image: GuestImage;
  let guest: GuestWords & { readonly addresses: readonly { readonly address: string; readonly gateway: string }[] };
  let vm: VirtualMachine;
  let sibling: Container;
  let bridgeMac: string;
  const list = shipped('10-drawbridge');

  beforeAll(async () => {
    image = makeImage();
    host = await makeHost();
    outside = await makeWorld(host);
    sibling = await addContainer(host, list);
    await host.run(['sh', '-ec', 'mkdir -p /etc/cni/net.d; cat > /etc/cni/net.d/10-drawbridge.conflist'], {
      input: JSON.stringify(list),
    });
    const added = await drawbridge(host, ['tap', 'add', 'vm1', '--network', list.name, '--json']);
    if (added.code !== 0) throw new Error(added.stderr);
    ({ guest } = added.json as { guest: typeof guest });
    vm = await bootGuest(host, image, guest);
    bridgeMac = (await host.run(['cat', '/sys/class/net/drawbridge0/address'])).trim();
  }, 400_000);

  afterAll(async () => {
    removeImage(image);
    await host[Symbol.asyncDispose]();
  });

  const four = (): string => guest.addresses[0]?.address.split('/')[0] ?? '';
  const gateway = (): string => guest.addresses[0]?.gateway ?? '';
  const ask = async (address: string): Promise<string> => (await vm.run(`nc -w 3 ${address} 80 2>&1`)).text;
  const send = async (count: number, ...frames: readonly string[]): Promise<string> =>
    (await vm.run(`perl /frame.pl eth0 ${count} ${frames.join(' ')} 2>&1`, { timeout: 120_000 })).text;

  test('has its address from the argument of its kernel, and reaches what its policy lets it and nothing else', async () => {
    expect((await vm.run('ip -4 -o addr show eth0')).text).toContain(four());
    expect(await ask(world.public4)).toBe('outside');
    expect(await ask(world.public6)).toBe('outside');
    expect(await ask(world.private6)).toMatch(/refused|unreachable|prohibited/u);
    expect(await ask(world.private4)).toMatch(/refused|unreachable/u);
    expect(await ask(world.metadata)).toMatch(/refused|unreachable/u);
  });

  test('is told by "explain" what it meets', async () => {
    expect((await drawbridge(host, ['explain', 'vm1', `${world.public4}:80`])).code).toBe(0);
    const denied = await drawbridge(host, ['explain', 'vm1', `${world.private4}:80`]);
    expect(denied).toMatchObject({ code: 1, stdout: expect.stringContaining('private') });
  });

  test('sends with no other MAC, no other address and no VLAN tag, and does with its own', async () => {
    const server = await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const own = { to: bridgeMac, from: guest.mac, source: four(), target: world.public4 };
    const forged = [
      datagram({ ...own, from: '02:00:00:00:00:77' }),
      datagram({ ...own, source: '10.88.0.77' }),
      datagram({ ...own, source: '198.51.100.9' }),
      datagram({ ...own, tag: '81000005' }),
      datagram({ ...own, tag: '88a80005' }),
    ];
    expect(await send(5, ...forged)).toBe('sent 25');
    expect(await server.peers()).toEqual([]);
    expect(await send(1, datagram(own))).toBe('sent 1');
    await expect.poll(async () => (await server.peers()).length, { timeout: 5000 }).toBe(1);
    await server.close();
  });

  test('tells a sibling no MAC for the gateway, and no route of its own', async () => {
    const neighbour = async (): Promise<string> => host.run(['ip', 'neigh', 'show', gateway()], { where: sibling });
    expect(await host.fetch(sibling, world.public4, 80, { timeout: 3000 })).toBe('outside');
    await send(20, arpReply(guest.mac, { mac: guest.mac, address: gateway() }), routerAdvertisement(guest.mac));
    expect(await neighbour()).toContain(bridgeMac);
    expect(await host.fetch(sibling, world.public4, 80, { timeout: 3000 })).toBe('outside');
    const routes = async (): Promise<string> => host.run(['ip', '-6', 'route', 'show'], { where: sibling });
    expect(await routes()).not.toContain('fe80::bad');
    // The same frame is believed where nobody stops it.
    const inside = `import socket,sys; s=socket.socket(17,3); s.bind((sys.argv[1],0)); s.send(bytes.fromhex(sys.argv[2]))`;
    const end = (await host.run(['ip', '-br', 'link', 'show', 'master', 'drawbridge0'])).match(/veth[0-9a-f]+/u)?.[0];
    await host.run(['python3', '-c', inside, end ?? '', routerAdvertisement('02:00:00:00:0b:ad')]);
    await expect.poll(routes, { timeout: 5000 }).toContain('fe80::bad');
  });

  test('floods, and a sibling reaches the internet all the same', async () => {
    const own = { to: bridgeMac, from: guest.mac, source: four(), target: world.private4 };
    const flood = send(20_000, datagram(own), datagram({ ...own, from: '02:00:00:00:00:78' }));
    for (let round = 0; round < 3; round += 1)
      expect(await host.fetch(sibling, world.public4, 80, { timeout: 5000 })).toBe('outside');
    expect(await flood).toBe('sent 40000');
    expect(await ask(world.public4)).toBe('outside');
  });

  test('is reached by a port that was published after it booted', async () => {
    await vm.run('(while :; do echo guest | nc -l -p 80 >/dev/null 2>&1; done &)');
    expect(await host.fetch(outside, outside.hostV4, 8080)).not.toContain('guest');
    const published = await drawbridge(host, ['port', 'add', 'vm1', '8080:80']);
    expect(published).toMatchObject({ code: 0 });
    await expect
      .poll(async () => host.fetch(outside, outside.hostV4, 8080, { timeout: 3000 }), { timeout: 20_000 })
      .toContain('guest');
  });

  // Last: it ends the guest.
  test('is killed with -9: it is listed as unused, and "tap remove" leaves nothing of it', async () => {
    await vm.daemon.stop(9);
    const { json } = await drawbridge(host, ['list', 'vm1', '--json']);
    expect(json).toMatchObject([{ containerId: 'vm1', stale: ['no process holds its tap "vm1"'] }]);
    const removed = await drawbridge(host, ['tap', 'remove', 'vm1']);
    expect(removed).toMatchObject({ code: 0 });
    await host.delChain(list, { container: sibling });
    const left = await attachmentsLeft(host);
    expect(left.filter((text) => !/drawbridge0|10-drawbridge|vm-\d+\.in|daemon-/u.test(text))).toEqual([]);
  });
});
