/**
 * A real guest: QEMU with Debian's kernel behind a tap of `drawbridge tap add`, root inside. Needs what
 * `sh test/kernels/roots.sh` brings; without it these tests are skipped.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawbridge, shipped } from '../cli/cli.ts';
import { addContainer, makeWorld, world } from '../plugins/egress-policy/network.ts';
import { attachmentsLeft } from '../plugins/drawbridge/network.ts';
import { makeHost, type Container, type Host, type Outside } from '../helpers/private-host.ts';
import { arpReply, datagram, datagram6, neighbourAdvertisement, routerAdvertisement } from './frames.ts';
import { makeImage, missingForGuests, removeImage, type GuestImage } from './image.ts';
import { bootGuest, type GuestWords, type VirtualMachine } from './vm.ts';

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
  const six = (): string => guest.addresses[1]?.address.split('/')[0] ?? '';
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
    const own6 = { ...own, source: six(), target: world.public6 };
    const forged6 = [
      datagram6({ ...own6, from: '02:00:00:00:00:77' }),
      // As a guest with privacy addresses makes one for itself.
      datagram6({ ...own6, source: 'fd00:88::5c3a:91ff:fe00:1234' }),
      datagram6({ ...own6, source: '2001:db8:9::9' }),
      datagram6({ ...own6, tag: '81000005' }),
    ];
    expect(await send(5, ...forged6)).toBe('sent 20');
    expect(await server.peers()).toEqual([]);
    expect(await send(1, datagram(own), datagram6(own6))).toBe('sent 2');
    await expect.poll(async () => (await server.peers()).length, { timeout: 5000 }).toBe(2);
    await server.close();
  });

  test('tells a sibling no MAC for the gateway, and no route of its own', async () => {
    const neighbour = async (address = gateway()): Promise<string> =>
      host.run(['ip', 'neigh', 'show', address], { where: sibling });
    expect(await host.fetch(sibling, world.public4, 80, { timeout: 3000 })).toBe('outside');
    const gateway6 = guest.addresses[1]?.gateway ?? '';
    expect(await host.fetch(sibling, world.public6, 80, { timeout: 3000 })).toBe('outside');
    await send(
      20,
      arpReply(guest.mac, { mac: guest.mac, address: gateway() }),
      neighbourAdvertisement(guest.mac, gateway6),
      routerAdvertisement(guest.mac),
    );
    expect(await neighbour()).toContain(bridgeMac);
    expect(await neighbour(gateway6)).not.toContain(guest.mac);
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
