/** What the tests of the interface plugin have in common: a network, and looks at what was made of it. */
import { expect, type CniResult, type Host, type Json, type Place } from '../../helpers/host.ts';

/** A plugin's conf as a runtime sends it: both families, a way out, a bridge named "br0". */
export function interfaceConf(changes: Json = {}): Json {
  return {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'drawbridge',
    bridge: 'br0',
    isDefaultGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: hostLocal('10.1.0.0/24', 'fd01::/64'),
    ...changes,
  };
}

/** An "ipam" object with a range set for each subnet. */
export function hostLocal(...subnets: string[]): Json {
  return { type: 'host-local', ranges: subnets.map((subnet) => [{ subnet }]) };
}

/**
 * What stays when the last container of a network is gone: the bridge, a note about it, what CHECK compares with, the
 * stamp of the boot.
 */
const kept = [
  /^\+ link br0$/,
  /^\+ file \/run\/drawbridge\/bridges\/br0\.json$/,
  /^\+ file \/run\/drawbridge\/listings\//,
  /^\+ file \/var\/lib\/drawbridge\/boot\//,
];

/** What the host has of attachments: nothing when all is well after the last DEL. */
export function attachmentsLeft(host: Host): Promise<string[]> {
  return host.leftovers({ allow: kept });
}

/** Fails with the plugin's own words when a verb failed, and returns what it printed. */
export function succeeded({ code, error, result, stderr }: CniResult): Json {
  expect(error, stderr).toBeUndefined();
  expect(code).toBe(0);
  return result ?? {};
}

/** Expects an error object of the specification with this code and text, and exit status 1. */
export function expectFailure(outcome: CniResult, code: number, text: RegExp | string): void {
  const msg = typeof text === 'string' ? expect.stringContaining(text) : expect.stringMatching(text);
  expect(outcome.error).toMatchObject({ code, msg, cniVersion: expect.any(String) });
  expect(outcome.code).toBe(1);
}

/** Addresses of the result without prefix length, in its order. */
export function addressesIn({ ips }: Json): string[] {
  return (ips as { address: string }[]).map(({ address }) => address.split('/', 1)[0] ?? '');
}

/** Host end of the veth pair, by the result. */
export function hostInterfaceIn({ interfaces }: Json): string {
  return (interfaces as { name: string }[]).at(-2)?.name ?? '';
}

/** `ip -json -details …`, its first object. */
export async function show(host: Host, where: Place, what: 'link' | 'address', name: string): Promise<Json> {
  const printed = await host.run(['ip', '-json', '-details', what, 'show', 'dev', name], { where });
  return (JSON.parse(printed) as Json[])[0] ?? {};
}

/** Addresses of an interface with prefix length, those of the link left out. */
export async function addressesOn(host: Host, where: Place, name: string): Promise<string[]> {
  const { addr_info: infos } = await show(host, where, 'address', name);
  return (infos as Json[])
    .filter(({ scope }) => scope !== 'link')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** Routes of a family in the main table, as `ip` prints them, without those that the kernel makes for addresses. */
export async function routesOf(host: Host, where: Place, family: 4 | 6): Promise<string[]> {
  const printed = await host.run(['ip', `-${family}`, 'route', 'show'], { where });
  return printed
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '' && !line.includes('proto kernel'));
}

export async function sysctl(host: Host, where: Place, path: string): Promise<string> {
  return (await host.run(['cat', `/proc/sys/net/${path}`], { where })).trim();
}
