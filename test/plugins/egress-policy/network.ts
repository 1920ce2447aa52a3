/**
 * What the tests of `egress-policy` have in common: networks with a policy, an outside to reach, and plugins that are
 * not ours.
 */
import { existsSync } from 'node:fs';
import { unpack } from '../../firewall/packages.ts';
import { pluginFolder } from '../../helpers/executable.ts';
import {
  expect,
  type CniResult,
  type Conflist,
  type Container,
  type Host,
  type Json,
  type Outside,
  type Place,
} from '../../helpers/host.ts';
import { hostLocal, interfaceConf } from '../drawbridge/network.ts';

/** The interface plugin and after it the policy, as conf/10-drawbridge.conflist has them. */
export function chain(policy: Json = {}, changes: Json = {}): Conflist {
  const { cniVersion, name, ...plugin } = interfaceConf(changes);
  return { cniVersion: cniVersion as string, name: name as string, plugins: [plugin, policyPlugin(policy)] };
}

/** The interface plugin that has the policy in its own conf. */
export function oneProcess(policy: Json = {}, changes: Json = {}): Conflist {
  const { cniVersion, name, ...plugin } = interfaceConf({ egress: policy, ...changes });
  const capabilities = { 'io.kubernetes.cri.pod-annotations': true, portMappings: true };
  return { cniVersion: cniVersion as string, name: name as string, plugins: [{ ...plugin, capabilities }] };
}

/** Both ways to have a policy. */
export const ways = { 'a chain': chain, 'one process': oneProcess };

function policyPlugin(policy: Json = {}): Json {
  return { type: 'egress-policy', ...policy, capabilities: { 'io.kubernetes.cri.pod-annotations': true } };
}

/** The policy plugin's own conf with a prevResult, for a call without the chain. */
export function policyConf(policy: Json, prevResult: Json | undefined): Json {
  const conf = { ...policyPlugin(policy), cniVersion: '1.1.0', name: 'net' };
  return prevResult === undefined ? conf : { ...conf, prevResult };
}

/** Hosts of the outside, by what a policy makes of them. */
export const world = {
  public4: '8.8.8.8',
  public6: '2001:4860:4860::8888',
  other4: '203.0.113.10',
  other6: '2001:db8:7::10',
  private4: '10.7.7.7',
  private6: 'fd00:7::7',
  metadata: '169.254.169.254',
};

/** An outside with the hosts of the world, each with a server at the TCP ports 80 and 443 that says "outside". */
export async function makeWorld(host: Host): Promise<Outside> {
  const outside = await host.outside();
  await outside.address(...Object.values(world));
  await Promise.all([80, 443].map(async (port) => host.serve(outside, { port, reply: 'outside' })));
  return outside;
}

/** Adds a container and expects that to work. */
export async function addContainer(
  host: Host,
  conflist: Conflist,
  options: { name?: string; args?: string; runtimeConfig?: Json } = {},
): Promise<Container & { result: Json; stderr: string }> {
  const { name, ...rest } = options;
  const container = await host.container(name);
  const added = await host.addChain(conflist, { container, ...rest });
  expect(added.error, added.stderr).toBeUndefined();
  return { ...container, result: added.result ?? {}, stderr: added.steps.map(({ stderr }) => stderr).join('') };
}

/** What a container gets from the hosts of the world at port 80: "outside", or how it was refused. */
export async function reaches(
  host: Host,
  from: Place,
  keys: readonly (keyof typeof world)[] = ['public4', 'public6', 'private4', 'private6', 'metadata'],
): Promise<Record<string, string>> {
  const answers = await Promise.all(
    keys.map(async (key) => [key, await host.fetch(from, world[key], 80, { timeout: 1500 })] as const),
  );
  return Object.fromEntries(answers);
}

/** What {@link reaches} says under the policy "restricted". */
export const restricted = {
  public4: 'outside',
  public6: 'outside',
  private4: 'refused',
  private6: 'refused',
  metadata: 'refused',
};

/** Folder with the reference plugins; undefined where Debian's package cannot be had. */
export function referencePlugins(): string | undefined {
  const installed = '/usr/lib/cni';
  if (existsSync(`${installed}/bridge`)) return installed;
  const root = unpack('containernetworking-plugins');
  return root === undefined ? undefined : `${root}/usr/lib/cni`;
}

/** Runs a chain in which not all plugins are ours. Stops at the first failure. */
export async function runChain(
  host: Host,
  verb: 'ADD' | 'CHECK' | 'DEL',
  { cniVersion, name, plugins }: Conflist,
  { container, result }: { container: Container; result?: Json },
): Promise<CniResult & { result?: Json }> {
  const path = referencePlugins() ?? '';
  let last: CniResult = { code: 0, stdout: '', stderr: '', ms: 0 };
  let prevResult = result;
  for (const plugin of verb === 'DEL' ? plugins.toReversed() : plugins) {
    const type = plugin['type'] as string;
    const program = `${['drawbridge', 'egress-policy'].includes(type) ? pluginFolder : path}/${type}`;
    const conf = { ...plugin, cniVersion, name, ...(prevResult === undefined ? {} : { prevResult }) };
    last = await host.cni(verb, conf, { container, program, path });
    if (last.code !== 0) return last;
    if (verb === 'ADD') prevResult = last.result;
  }
  return last;
}

/** A chain of a reference plugin and the policy. */
export function referenceChain(type: 'bridge' | 'ptp', policy: Json = {}, cniVersion = '1.0.0'): Conflist {
  const own = type === 'bridge' ? { bridge: 'cni0', isGateway: true, hairpinMode: true } : {};
  const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }];
  const plugin = { type, ipMasq: true, ...own, ipam: { ...hostLocal('10.1.0.0/24', 'fd01::/64'), routes } };
  return { cniVersion, name: 'net', plugins: [plugin, policyPlugin(policy)] };
}

/** Writes a named policy. */
export async function writePolicy(host: Host, name: string, policy: Json | string): Promise<void> {
  const text = typeof policy === 'string' ? policy : JSON.stringify(policy);
  await host.run(['sh', '-ec', `mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/${name}.json`], {
    input: text,
  });
}

/** Elements of a set or map as nft prints them, one each. */
export async function elementsOf(host: Host, set: string, table = 'inet drawbridge'): Promise<string[]> {
  const printed = await host.run(['nft', 'list', 'set', ...table.split(' '), set]);
  const inside = /elements = \{([^}]*)\}/u.exec(printed)?.[1] ?? '';
  return inside
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** The first IPv4 and IPv6 address of a result, without prefix length. */
export function addressOf({ ips }: Json, family: 4 | 6): string {
  const found = (ips as { address: string }[])
    .map(({ address }) => address)
    .find((address) => address.includes(':') === (family === 6));
  return found?.split('/', 1)[0] ?? '';
}
