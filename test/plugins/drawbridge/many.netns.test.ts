import { describe, expect, test, type Container, type Host, type Json } from '../../helpers/host.ts';
import { addressesIn, attachmentsLeft, interfaceConf, succeeded } from './network.ts';

const count = 64;

async function containers(host: Host): Promise<Container[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => host.container(`n${index}`)));
}

const published = (index: number): Json =>
  interfaceConf({ runtimeConfig: { portMappings: [{ hostPort: 9000 + index, containerPort: 80 }] } });

describe('64 ADDs at once on an empty host', () => {
  test('all succeed with addresses of their own that are reachable, and 64 DELs at once leave nothing', async ({
    host,
  }) => {
    const all = await containers(host);
    const options = (container: Container) => ({ container, timeout: 50_000 });
    const added = await Promise.all(
      all.map((container, index) => host.cni('ADD', published(index), options(container))),
    );
    const addresses = added.map((outcome) => addressesIn(succeeded(outcome)));
    expect(new Set(addresses.flat()).size).toBe(2 * count);
    const answers = await Promise.all(addresses.flat().map((address) => host.ping(host, address, { timeout: 3000 })));
    expect(new Set(answers)).toEqual(new Set(['answer']));
    await Promise.all(all.map((container, index) => host.serve(container, { port: 80, reply: `${index}` })));
    const replies = await Promise.all(
      all.map((_, index) => host.fetch(host, '127.0.0.1', 9000 + index, { timeout: 3000 })),
    );
    expect(replies).toEqual(all.map((_, index) => `${index}`));
    const removed = await Promise.all(
      all.map((container) => host.cni('DEL', interfaceConf(), { ...options(container), netns: '' })),
    );
    removed.forEach(succeeded);
    expect(await attachmentsLeft(host)).toEqual([]);
  }, 120_000);
});

describe('ADDs and DELs at once', () => {
  test('of 16 containers, four times each, leave nothing and fail never', async ({ host }) => {
    const some = await Promise.all(Array.from({ length: 16 }, (_, index) => host.container(`n${index}`)));
    await Promise.all(
      some.map(async (container) => {
        for (let turn = 0; turn < 4; turn++) {
          succeeded(await host.cni('ADD', interfaceConf(), { container, timeout: 50_000 }));
          expect(await host.ping(container, '10.1.0.1', { timeout: 3000 })).toBe('answer');
          succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '', timeout: 50_000 }));
        }
      }),
    );
    expect(await attachmentsLeft(host)).toEqual([]);
  }, 120_000);
});

describe('two ADDs of one attachment at once', () => {
  test('give it one interface: one succeeds, the other is told why not', async ({ host }) => {
    const container = await host.container();
    const outcomes = await Promise.all([1, 2].map(() => host.cni('ADD', interfaceConf(), { container })));
    const failures = outcomes.filter(({ code }) => code !== 0);
    expect(failures.map(({ error }) => error?.['code'])).toEqual([expect.toBeOneOf([11, 102])]);
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('that publish one port for two containers let one of them have it', async ({ host }) => {
    const both = [await host.container(), await host.container()];
    const outcomes = await Promise.all(both.map((container) => host.cni('ADD', published(1), { container })));
    const failures = outcomes.filter(({ code }) => code !== 0);
    expect(failures.map(({ error }) => error?.['code'])).toEqual([102]);
    await Promise.all(both.map((container) => host.cni('DEL', interfaceConf(), { container })));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});
