import { expect, test } from '../helpers/host.ts';
import { attachmentsLeft, conflist, options, outcome, prepare, reboot } from './network.ts';

/** Addresses that the leases are for. */
const leases = "ls /var/lib/cni/networks/drawbridge | grep -E '^(10|fd)' | sort";

test('the first ADD after a reboot works, and the addresses of before are free', async ({ host }) => {
  await prepare(host);
  const before = await Promise.all(Array.from({ length: 5 }, async () => host.container()));
  for (const container of before) expect(outcome(await host.addChain(conflist, { container }))).toBe('code 0');
  expect((await host.sh(leases)).trim().split('\n')).toHaveLength(10);
  await reboot(host, before);
  const container = await host.container();
  expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
  expect(outcome(await host.checkChain(conflist, options(container)))).toBe('code 0');
  expect((await host.sh(leases)).trim().split('\n')).toHaveLength(2);
  expect(outcome(await host.delChain(conflist, options(container)))).toBe('code 0');
  expect(await attachmentsLeft(host)).toEqual([]);
});

test('a late DEL for a container of before a reboot succeeds and takes nothing from the one that has its address now', async ({
  host,
}) => {
  await prepare(host);
  const before = await host.container();
  const conf = { ...conflist, plugins: conflist.plugins.map((plugin) => ({ ...plugin })) };
  const fixed = { ips: ['10.88.0.50'] };
  expect(outcome(await host.addChain(conf, { container: before, runtimeConfig: fixed }))).toBe('code 0');
  await reboot(host, [before]);
  const after = await host.container();
  expect(outcome(await host.addChain(conf, { container: after, runtimeConfig: fixed }))).toBe('code 0');
  expect(outcome(await host.delChain(conf, { containerId: before.name, netns: '', result: null }))).toBe('code 0');
  expect(outcome(await host.checkChain(conf, { container: after, runtimeConfig: fixed }))).toBe('code 0');
});

test('a runtime that sends DEL for everything of before a reboot, before anything else, is answered with success', async ({
  host,
}) => {
  await prepare(host);
  const before = [await host.container(), await host.container()];
  for (const container of before) expect(outcome(await host.addChain(conflist, { container }))).toBe('code 0');
  await reboot(host, before);
  for (const { name } of before)
    expect(outcome(await host.delChain(conflist, { containerId: name, netns: '', result: null }))).toBe('code 0');
  expect((await attachmentsLeft(host)).filter((line) => !line.includes('/locks/'))).toEqual([]);
});

test('leases of a container that lives are kept when the boot is the same one, whatever became of /run', async ({
  host,
}) => {
  await prepare(host);
  const [first, second] = [await host.container(), await host.container()];
  const added = await host.addChain(conflist, { container: first });
  await host.sh('rm -rf /run/drawbridge');
  const next = await host.addChain(conflist, { container: second });
  expect(outcome(next)).toBe('code 0');
  expect(next.result?.['ips']).not.toContainEqual((added.result?.['ips'] as unknown[] | undefined)?.[0]);
});
