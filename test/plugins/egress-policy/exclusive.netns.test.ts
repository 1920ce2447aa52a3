/** A second network without a policy bypasses the policy of the first. */
import { describe, expect, test, type Conflist, type Json } from '../../helpers/host.ts';
import { drawbridge } from '../../cli/cli.ts';
import { hostLocal, interfaceConf } from '../drawbridge/network.ts';
import { chain, makeWorld, oneProcess, reaches, ways } from './network.ts';

const second = { name: 'second', bridge: 'br1', ipam: hostLocal('10.2.0.0/24', 'fd02::/64') };

/** A network of its own, with a policy or without one. */
function secondNetwork(policy?: Json): Conflist {
  if (policy !== undefined) return oneProcess(policy, second);
  const { cniVersion, name, ...plugin } = interfaceConf(second);
  return { cniVersion: cniVersion as string, name: name as string, plugins: [plugin] };
}

const refusal = {
  code: 102,
  msg: expect.stringContaining('without a policy: ') as string,
  details: expect.stringContaining('take "exclusive" out of the policy') as string,
};

describe.for(Object.entries(ways))('in %s a policy with "exclusive"', ([, make]) => {
  test('refuses a second network without a policy, and the first goes on', async ({ host }) => {
    await makeWorld(host);
    const container = await host.container();
    expect((await host.addChain(make({ exclusive: true }), { container })).error).toBeUndefined();
    expect((await host.addChain(secondNetwork(), { container, ifname: 'eth1' })).error).toMatchObject(refusal);
    expect(await host.exec(['ip', 'link', 'show', 'eth1'], { where: container })).not.toMatchObject({ code: 0 });
    expect(await reaches(host, container, ['public4', 'private4'])).toEqual({
      public4: 'outside',
      private4: 'refused',
    });
  });

  test('is refused beside a first network without a policy', async ({ host }) => {
    const container = await host.container();
    expect((await host.addChain(secondNetwork(), { container, ifname: 'eth1' })).error).toBeUndefined();
    expect((await host.addChain(make({ exclusive: true }), { container })).error).toMatchObject(refusal);
  });

  test('takes a second network with a policy, and other containers without one', async ({ host }) => {
    const container = await host.container();
    expect((await host.addChain(make({ exclusive: true }), { container })).error).toBeUndefined();
    expect((await host.addChain(secondNetwork({}), { container, ifname: 'eth1' })).error).toBeUndefined();
    expect((await host.addChain(secondNetwork(), { container: await host.container() })).error).toBeUndefined();
  });

  test('is forgotten with its container', async ({ host }) => {
    const container = await host.container();
    const list = make({ exclusive: true });
    const noted = (): Promise<string> => host.sh('find /run/drawbridge -path "*exclusive/*"');
    await host.addChain(list, { container });
    expect(await noted()).not.toBe('');
    expect((await host.delChain(list, { container })).error).toBeUndefined();
    expect((await host.addChain(secondNetwork(), { container, ifname: 'eth1' })).error).toBeUndefined();
    expect(await noted()).toBe('');
  });
});

test('list, explain and doctor tell of a second network without a policy', async ({ host }) => {
  const container = await host.container('c9');
  await host.addChain(chain(), { container });
  await host.addChain(secondNetwork(), { container, ifname: 'eth1' });
  const words = /bypasses its policy on network "\w+": it has none on network "second"\s+\(eth1\)/u;
  const said = async (...command: string[]): Promise<string> =>
    (await drawbridge(host, command)).stdout.replace(/\s+/gu, ' ');
  expect(await said('list')).toMatch(words);
  expect(await said('explain', 'c9', '10.7.7.7:80')).toMatch(words);
  expect(await said('doctor')).toMatch(words);
});
