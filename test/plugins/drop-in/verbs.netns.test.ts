import { existsSync } from 'node:fs';
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { folder, installDropIns, kept } from './links.ts';

const reference = '/usr/lib/cni';
const ipam = {
  type: 'host-local',
  ranges: [[{ subnet: '10.23.0.0/29' }], [{ subnet: 'fd00:23::/64' }]],
  routes: [{ dst: '0.0.0.0/0' }],
};
const conf = { cniVersion: '1.1.0', name: 'lease', type: 'ptp', ipam };
const of = (containerId: string, program = `${folder}/host-local`) => ({
  containerId,
  netns: '/run/netns/x',
  program,
  path: folder,
});

describe.skipIf(!existsSync(`${reference}/host-local`))('the drop-in for host-local', () => {
  test('answers and writes what the reference does', async ({ host }) => {
    await installDropIns(host);
    const old = { ...conf, cniVersion: '1.0.0' };
    const files = `cd /var/lib/cni/networks/lease; rm -f lock
      for f in $(ls); do echo "$f: $(od -An -c $f)"; done; rm -r /var/lib/cni/networks`;
    const add = async (program: string) => {
      // Debian's 1.1.1 still prints an empty "dns".
      const { dns: _, ...result } = (await host.cni('ADD', old, of('c1', program))).result ?? {};
      return [result, await host.sh(files)];
    };
    expect(await add(`${folder}/host-local`)).toEqual(await add(`${reference}/host-local`));
  });

  test('gives back on DEL, by either program, and any number of times', async ({ host }) => {
    await installDropIns(host);
    await host.cni('ADD', conf, of('c1'));
    await host.cni('ADD', { ...conf, cniVersion: '1.0.0' }, of('c2', `${reference}/host-local`));
    await host.cni('DEL', { ...conf, cniVersion: '1.0.0' }, of('c1', `${reference}/host-local`));
    for (const _ of [1, 2]) expect((await host.cni('DEL', conf, of('c2'))).code).toBe(0);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('refuses a second ADD, checks, collects and says when nothing is free', async ({ host }) => {
    await installDropIns(host);
    const prevResult = (await host.cni('ADD', conf, of('c1'))).result;
    expect((await host.cni('ADD', conf, of('c1'))).error).toMatchObject({
      code: 102,
      msg: expect.stringContaining('duplicate allocation is not allowed') as string,
    });
    expect((await host.cni('CHECK', { ...conf, prevResult }, of('c1'))).code).toBe(0);
    expect((await host.cni('CHECK', { ...conf, prevResult }, of('c9'))).error).toMatchObject({ code: 103 });
    for (const id of ['c2', 'c3', 'c4', 'c5']) await host.cni('ADD', conf, of(id));
    expect((await host.cni('STATUS', conf, of(''))).error).toMatchObject({ code: 50 });
    expect((await host.cni('ADD', conf, of('c6'))).error).toMatchObject({ code: 101 });
    await host.cni('GC', { ...conf, 'cni.dev/valid-attachments': [] }, of(''));
    expect((await host.cni('STATUS', conf, of(''))).code).toBe(0);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });
});

describe('the drop-ins for portmap and firewall', () => {
  const bridge = {
    type: 'bridge',
    cniVersion: '1.1.0',
    name: 'net',
    isGateway: true,
    ipam: { type: 'host-local', ranges: [[{ subnet: '10.24.0.0/24' }]] },
  };
  const portmap = {
    type: 'portmap',
    cniVersion: '1.1.0',
    name: 'net',
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
  };
  const firewall = { type: 'firewall', cniVersion: '1.1.0', name: 'net', ingressPolicy: 'isolated' };

  async function connect(host: Host) {
    await installDropIns(host);
    const container = await host.container();
    const program = (type: string) => ({ container, path: folder, program: `${folder}/${type}` });
    const prevResult = (await host.cni('ADD', bridge, program('bridge'))).result;
    return { program, prevResult };
  }

  test('find on CHECK what somebody removed', async ({ host }) => {
    const { program, prevResult } = await connect(host);
    for (const each of [portmap, firewall]) {
      const conf = { ...each, prevResult };
      expect((await host.cni('CHECK', conf, program(each.type))).error).toMatchObject({ code: 103 });
      expect((await host.cni('ADD', conf, program(each.type))).error).toBeUndefined();
      expect((await host.cni('CHECK', conf, program(each.type))).error).toBeUndefined();
      await host.sh('nft delete table inet drawbridge');
      expect((await host.cni('CHECK', conf, program(each.type))).error).toMatchObject({ code: 103 });
    }
    for (const type of ['firewall', 'portmap', 'bridge']) await host.cni('DEL', { ...bridge, type }, program(type));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('collect what is not in the list of a GC, and answer STATUS', async ({ host }) => {
    const { program, prevResult } = await connect(host);
    for (const each of [portmap, firewall]) {
      await host.cni('ADD', { ...each, prevResult }, program(each.type));
      expect((await host.cni('STATUS', each, program(each.type))).error).toBeUndefined();
    }
    const list = { 'cni.dev/valid-attachments': [] };
    for (const each of [portmap, firewall, bridge])
      expect((await host.cni('GC', { ...each, ...list }, program(each.type))).error).toBeUndefined();
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });
});
