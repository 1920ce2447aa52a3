import { existsSync } from 'node:fs';
import { describe, expect, test, type Container, type Host, type Json } from '../../helpers/host.ts';
import { folder, installDropIns, kept } from './links.ts';
import { both, leastSeconds, limit, seconds, startPeer } from './transfer.ts';

const reference = '/usr/lib/cni/bandwidth';
const network = { cniVersion: '1.0.0', name: 'limited' };
const bridge = {
  type: 'bridge',
  bridge: 'br1',
  isDefaultGateway: true,
  ipMasq: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.46.0.0/24' }]] },
};
const program = (type: string) => ({ path: folder, program: `${folder}/${type}` });

async function add(host: Host, container: Container, conf: Json = both, ifname = 'eth0'): Promise<Json> {
  const made = await host.cni('ADD', { ...network, ...bridge }, { ...program('bridge'), container, ifname });
  const limited = await host.cni(
    'ADD',
    { ...network, type: 'bandwidth', ...conf, prevResult: made.result },
    { ...program('bandwidth'), container, ifname },
  );
  if (limited.code !== 0) throw new Error(limited.stdout);
  return limited.result!;
}

async function del(host: Host, container: Container, ifname = 'eth0', options: Json = {}): Promise<void> {
  for (const type of ['bandwidth', 'bridge']) {
    const conf = { ...network, ...(type === 'bridge' ? bridge : { type }) };
    const { code, stdout } = await host.cni('DEL', conf, { ...program(type), container, ifname, ...options });
    expect({ type, code, stdout }).toEqual({ type, code: 0, stdout: '' });
  }
}

const check = async (host: Host, container: Container, prevResult: Json, conf: Json = both) =>
  host.cni('CHECK', { ...network, type: 'bandwidth', ...conf, prevResult }, { ...program('bandwidth'), container });

const ifbs = async (host: Host) => (await host.sh('ip -oneline link show type ifb')).match(/bwp[0-9a-f]{12}/g) ?? [];

async function prepare(host: Host) {
  const outside = await host.outside();
  await outside.address('8.8.8.8');
  await installDropIns(host);
  await host.takeBaseline();
  return outside;
}

describe('the drop-in for bandwidth', () => {
  test('limits what a container receives and what it sends', async ({ host }) => {
    const outside = await prepare(host);
    const [limited, downOnly] = [await host.container(), await host.container()];
    await add(host, limited);
    await add(host, downOnly, { ingressRate: limit.rate, ingressBurst: limit.burst });
    await startPeer(host, outside);
    expect(await seconds(host, limited, 'receive')).toBeGreaterThan(leastSeconds);
    expect(await seconds(host, limited, 'send')).toBeGreaterThan(leastSeconds);
    expect(await seconds(host, downOnly, 'send')).toBeLessThan(await seconds(host, downOnly, 'receive'));
    await del(host, limited);
    await del(host, downOnly);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('tells the interface that it made in the result, and passes CHECK', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    const result = await add(host, container);
    const [name] = await ifbs(host);
    const { mac } = JSON.parse(
      await host.sh(`ip -json link show ${name} | sed 's/"address"/"mac"/;s/^.//;s/.$//'`),
    ) as Json;
    expect((result['interfaces'] as Json[]).at(-1)).toEqual({ name, mac });
    expect(await check(host, container, result)).toMatchObject({ code: 0 });
    await del(host, container);
  });

  test('takes rates from the runtime, with the burst of the greatest number that Kubernetes sends', async ({
    host,
  }) => {
    await prepare(host);
    const container = await host.container();
    const asked = { runtimeConfig: { bandwidth: { IngressRate: 1_000_000, IngressBurst: 4_294_967_295 } } };
    const result = await add(host, container, asked);
    expect(await ifbs(host)).toEqual([]);
    expect(await check(host, container, result, asked)).toMatchObject({ code: 0 });
    await del(host, container);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('passes the result on unchanged, and touches nothing, without a limit', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    const result = await add(host, container, {});
    expect(result['interfaces']).toHaveLength(3);
    expect(await host.sh('tc qdisc show')).not.toContain('tbf');
    expect(await check(host, container, result, {})).toMatchObject({ code: 0 });
    await del(host, container);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test.for<[string, (names: { veth: string; ifb: string }) => string, RegExp]>([
    ['the queue of the host end', ({ veth }) => `tc qdisc del dev ${veth} root`, /"veth\w+" has no token bucket/],
    ['the redirection', ({ veth }) => `tc qdisc del dev ${veth} ingress`, /is not sent to "bwp/],
    ['the queue of what is sent', ({ ifb }) => `tc qdisc del dev ${ifb} root`, /"bwp\w+" has no token bucket/],
    ['the interface for what is sent', ({ ifb }) => `ip link del ${ifb}`, /"bwp\w+" has no token bucket/],
    [
      'the rate',
      ({ veth }) => `tc qdisc replace dev ${veth} root handle 1: tbf rate 5000bps burst 100000 limit 100000`,
      /the rate of "veth\w+" is 5000 bytes a second and not 1000000/,
    ],
  ])('CHECK finds that %s is not as it was', async ([, spoil, said], { host }) => {
    await prepare(host);
    const container = await host.container();
    const result = await add(host, container);
    const names = (result['interfaces'] as { name: string }[]).map(({ name }) => name);
    await host.sh(spoil({ veth: names[1]!, ifb: names[3]! }));
    const { error } = await check(host, container, result);
    expect(error).toMatchObject({ code: 103 });
    expect(`${error?.['msg'] as string}; ${error?.['details'] as string}`).toMatch(said);
  });

  test('DEL leaves nothing: twice, without the namespace, and after that of the interface plugin', async ({ host }) => {
    await prepare(host);
    const [c1, c2, c3] = [await host.container(), await host.container(), await host.container()];
    for (const container of [c1, c2, c3]) await add(host, container);
    expect(await ifbs(host)).toHaveLength(3);
    await del(host, c1);
    await del(host, c1, 'eth0', { netns: '' });
    await c2.remove();
    await del(host, c2, 'eth0', { netns: '' });
    await host.cni('DEL', { ...network, ...bridge }, { ...program('bridge'), container: c3 });
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('after its DEL a container that runs still reaches the world, without limits', async ({ host }) => {
    const outside = await prepare(host);
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello' });
    const container = await host.container();
    await add(host, container);
    await host.cni('DEL', { ...network, type: 'bandwidth' }, { ...program('bandwidth'), container });
    expect(await host.sh('tc qdisc show')).not.toMatch(/tbf|ingress/);
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('hello');
    await del(host, container);
  });

  test('DEL without a record finds the interface by its name', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    await add(host, container);
    await host.sh('rm -rf /run/drawbridge/attachments');
    await host.cni('DEL', { ...network, type: 'bandwidth' }, { ...program('bandwidth'), container });
    expect(await ifbs(host)).toEqual([]);
  });

  test('GC removes the limits of what is not in the list, and keeps those that are', async ({ host }) => {
    await prepare(host);
    const [c1, c2] = [await host.container(), await host.container()];
    await add(host, c1);
    const result = await add(host, c2);
    const kept2 = (result['interfaces'] as { name: string }[])[3]!.name;
    const { code } = await host.cni(
      'GC',
      {
        ...network,
        cniVersion: '1.1.0',
        type: 'bandwidth',
        'cni.dev/valid-attachments': [{ containerID: c2.name, ifname: 'eth0' }],
      },
      program('bandwidth'),
    );
    expect(code).toBe(0);
    expect(await ifbs(host)).toEqual([kept2]);
    expect(await check(host, c2, result)).toMatchObject({ code: 0 });
  });

  test('two interfaces of one container on one network have a limit each', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    await add(host, container, both, 'eth0');
    await add(host, container, both, 'net1');
    expect(await ifbs(host)).toHaveLength(2);
    await del(host, container, 'net1');
    expect(await ifbs(host)).toHaveLength(1);
    await del(host, container);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('stands between the interface plugin and a policy: both hold, and nothing is left', async ({ host }) => {
    const outside = await prepare(host);
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello' });
    const container = await host.container();
    const limited = await add(host, container);
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('hello');
    const policy = { ...network, type: 'egress-policy', mode: 'allowlist', preset: 'none' };
    const options = { ...program('egress-policy'), container };
    const { result } = await host.cni('ADD', { ...policy, prevResult: limited }, options);
    expect(await host.fetch(container, '8.8.8.8', 80)).toMatch(/refused|unreachable/);
    expect(await check(host, container, result!)).toMatchObject({ code: 0 });
    expect(await host.cni('CHECK', { ...policy, prevResult: result }, options)).toMatchObject({ code: 0 });
    expect(await host.cni('DEL', { ...policy, prevResult: result }, options)).toMatchObject({ code: 0 });
    await del(host, container);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('an ADD that tc fails leaves nothing of the limit', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    const made = await host.cni('ADD', { ...network, ...bridge }, { ...program('bridge'), container });
    // What comes in by the pair is somebody else's already.
    await host.sh(`tc qdisc add dev ${(made.result!['interfaces'] as { name: string }[])[1]!.name} clsact`);
    const failed = await host.cni(
      'ADD',
      { ...network, type: 'bandwidth', ...both, prevResult: made.result },
      { ...program('bandwidth'), container },
    );
    expect(failed.error).toMatchObject({ code: 100 });
    expect(failed.error?.['msg']).toMatch(/^Cannot apply "qdisc add dev veth\w+ handle ffff: ingress"/);
    expect(await ifbs(host)).toEqual([]);
    await del(host, container);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test.skipIf(!existsSync(reference))(
    'limits as the reference does, and each removes what the other made',
    async ({ host }) => {
      await prepare(host);
      await host.sh(`cp ${reference} ${folder}/reference-bandwidth`);
      const queues = async () =>
        (await host.sh('tc -raw qdisc show | grep -E "tbf|ingress"')).replaceAll(/dev veth\w+/g, 'dev veth');
      const container = await host.container();
      const made = await host.cni('ADD', { ...network, ...bridge }, { ...program('bridge'), container });
      const conf = { ...network, type: 'bandwidth', ...both, prevResult: made.result };
      const found: Record<string, [string[], string]> = {};
      for (const [adds, removes] of [
        ['bandwidth', 'reference-bandwidth'],
        ['reference-bandwidth', 'bandwidth'],
      ] as const) {
        const added = await host.cni('ADD', conf, { ...program(adds), container });
        expect(added.code).toBe(0);
        found[adds] = [await ifbs(host), await queues()];
        const checked = await host.cni(
          'CHECK',
          { ...conf, prevResult: added.result },
          { ...program(removes), container },
        );
        expect({ by: removes, ...checked }).toMatchObject({ by: removes, code: 0 });
        expect((await host.cni('DEL', conf, { ...program(removes), container })).code).toBe(0);
        expect(await ifbs(host)).toEqual([]);
        const veth = (made.result!['interfaces'] as { name: string }[])[1]!.name;
        await host.sh(`tc qdisc del dev ${veth} root || :; tc qdisc del dev ${veth} ingress || :`);
      }
      expect(found['bandwidth']).toEqual(found['reference-bandwidth']);
    },
  );
});
