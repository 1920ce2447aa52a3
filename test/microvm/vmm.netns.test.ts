/** What becomes of a guest of QEMU whose VMM is killed with -9: in a namespace, on the host, with an agent. */
import { afterAll, beforeAll, vi } from 'vitest';
import { startAgent } from '../agent/process/agent.ts';
import { drawbridge } from '../cli/cli.ts';
import { describe, expect, makeHost, test, type Conflist, type Host } from '../helpers/host.ts';
import { attachmentsLeft } from '../plugins/drawbridge/network.ts';
import { chain, makeWorld, world } from '../plugins/egress-policy/network.ts';
import { makeImage, missingForGuests, removeImage, type GuestImage } from './image.ts';
import { bootGuest, type GuestWords, type VirtualMachine } from './vm.ts';

const missing = missingForGuests();
const onHost = { containerId: 'vm', netns: '/proc/self/ns/net' };

describe.skipIf(missing !== undefined)('a guest of QEMU whose VMM is killed', () => {
  let image: GuestImage;
  beforeAll(() => {
    vi.setConfig({ testTimeout: 400_000 });
    image = makeImage();
  });
  afterAll(() => removeImage(image));

  async function told(host: Host, name: string): Promise<GuestWords> {
    const { json, stderr } = await drawbridge(host, ['tap', 'show', name, '--json']);
    expect(json, stderr).toBeDefined();
    return (json as { guest: GuestWords }).guest;
  }

  const ask = async (vm: VirtualMachine, address: string): Promise<string> =>
    (await vm.run(`nc -w 3 ${address} 80 2>&1`)).text;

  async function add(host: Host, list: Conflist, place: Parameters<Host['addChain']>[1]): Promise<void> {
    const added = await host.addChain(list, place);
    expect(added.error, added.stderr).toBeUndefined();
  }

  /** Without what a test itself leaves: logs and pipes. */
  const left = async (host: Host): Promise<string[]> =>
    (await attachmentsLeft(host)).filter((text) => !/vm-\d+\.in|daemon-/u.test(text));

  /** A guest whose VMM is in the namespace of its container, which reaches what its policy lets it. */
  const guestInNamespace = async (host: Host) => {
    await makeWorld(host);
    const list = chain({}, { tap: true });
    const container = await host.container('vm');
    await add(host, list, { container });
    const vm = await bootGuest(host, image, await told(host, 'vm'), { where: container });
    expect(await ask(vm, world.public4)).toBe('outside');
    return { list, container, vm };
  };

  test('in a namespace: it reached what its policy let it, and DEL removes everything while the namespace stays', async () => {
    await using host = await makeHost();
    const { list, container, vm } = await guestInNamespace(host);
    expect(await ask(vm, world.public6)).toBe('outside');
    expect(await ask(vm, world.private4)).toMatch(/refused|unreachable/u);
    await vm.daemon.stop(9);
    await host.delChain(list, { container });
    expect(await host.run(['ip', '-br', 'link', 'show'], { where: container })).not.toMatch(/tap0|eth0/u);
    expect(await left(host)).toEqual([]);
  });

  test('in a namespace that went with it: the sweep of an agent removes everything', async () => {
    await using host = await makeHost();
    const { container, vm } = await guestInNamespace(host);
    await vm.daemon.stop(9);
    await container.remove();
    const agent = await startAgent(host, ['--clean', '--grace', '1']);
    const names = async (): Promise<unknown> => (await drawbridge(host, ['list', '--json'])).json;
    await expect.poll(names, { timeout: 90_000, interval: 2000 }).toEqual([]);
    await agent.stop();
  });

  test('on the host: GC of its network removes everything', async () => {
    await using host = await makeHost();
    await makeWorld(host);
    const list = chain({}, { tap: { onHost: true } });
    await add(host, list, onHost);
    const vm = await bootGuest(host, image, await told(host, 'vm'));
    expect(await ask(vm, world.public4)).toBe('outside');
    await vm.daemon.stop(9);
    const { cniVersion, name, plugins } = list;
    const conf = { ...plugins[0], cniVersion, name, 'cni.dev/valid-attachments': [] };
    const collected = await host.cni('GC', conf);
    expect(collected.error, collected.stderr).toBeUndefined();
    expect(await left(host)).toEqual([]);
  });

  test('on the host and ephemeral: the agent leaves it while it runs, and removes it afterwards', async () => {
    await using host = await makeHost();
    await makeWorld(host);
    expect((await drawbridge(host, ['tap', 'add', 'vm', '--ephemeral'])).code).toBe(0);
    const agent = await startAgent(host, ['--clean', '--grace', '1']);
    const vm = await bootGuest(host, image, await told(host, 'vm'));
    expect(await ask(vm, world.public4)).toBe('outside');
    const names = async (): Promise<unknown> => (await drawbridge(host, ['list', '--json'])).json;
    expect(await names()).toMatchObject([{ containerId: 'vm', alive: true }]);
    await vm.daemon.stop(9);
    await expect.poll(names, { timeout: 120_000, interval: 2000 }).toEqual([]);
    await agent.stop();
  });
});
