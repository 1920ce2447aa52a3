import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import type { SysctlValue } from '../links/sysctl-value.ts';
import { runIn } from './ip.ts';
import { openKernel } from './netlink/libc.ts';
import { CommandError, tell } from './run.ts';
import { saysReadOnly } from './tool-error.ts';
import { systemReason } from '../text/system-error.ts';

/** Whether the kernel has IPv6 at all: not so with `ipv6.disable=1` or without CONFIG_IPV6. */
export function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6');
}

/**
 * Sets values in the namespace of this process; one that is right already is not written, so that a read-only
 * /proc/sys is no obstacle to a host that is set up. Values of IPv6 are skipped by a kernel without it, and so is what
 * a device does not have (one with an MTU below 1280 has no IPv6).
 *
 * Returns a sentence for each value that could not be set and that the rest works without; throws code 100 naming the
 * file for any other.
 */
export function writeSysctls(values: readonly SysctlValue[]): string[] {
  return applicable(values).flatMap(({ file, value, without }) => {
    try {
      if (readFileSync(path(file), 'utf8').trim() !== value) writeFileSync(path(file), value);
      return [];
    } catch (cause) {
      const { code = '' } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return [];
      const why = `Cannot set "${path(file)}" to "${value}": ${systemReason(cause)}`;
      if (without !== undefined && unwritable.has(code)) return [`${why}; ${without}`];
      throw new CniError(codes.commandFailed, why, 'It has to be writable, or to have that value already', { cause });
    }
  });
}

/** Whether an interface takes addresses of 127.0.0.0/8; undefined where it is not there. */
export function isRouteLocalnet(name: string): boolean | undefined {
  try {
    return readFileSync(path(`ipv4/conf/${name}/route_localnet`), 'utf8').trim() === '1';
  } catch {
    return undefined;
  }
}

/** Whether new interfaces do. */
export function routeLocalnetByDefault(): boolean {
  return isRouteLocalnet('default') === true;
}

const unwritable: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM']);

/**
 * Sets values in another network namespace, from this process or with one child process for each value.
 *
 * A /proc/sys that is read-only is no error: what is set here is a refinement of what works without.
 */
export async function writeSysctlsIn(netns: string, values: readonly SysctlValue[]): Promise<void> {
  const wanted = applicable(values);
  if (await writeHere(netns, wanted)) return;
  for (const [value, group] of Map.groupBy(wanted, (each) => each.value)) {
    try {
      await runIn(
        netns,
        'tee',
        group.map(({ file }) => path(file)),
        value,
      );
    } catch (error) {
      if (!(error instanceof CommandError && saysReadOnly(error))) throw error;
    }
  }
}

/**
 * Below /proc/sys/net/ are the values of the namespace that the reader is in. False leaves it, and its error, to a
 * child.
 */
async function writeHere(netns: string, values: readonly SysctlValue[]): Promise<boolean> {
  if (values.length === 0) return true;
  const kernel = openKernel();
  if (kernel === undefined) return false;
  for (const { file, value } of values) tell(`nsenter --net=${netns} -- tee ${path(file)}`, () => `${value}\n`);
  try {
    kernel.within(netns, () => values.forEach(({ file, value }) => writeFileSync(path(file), value)));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

/** Families of these that the host does not forward now. */
export function unforwarded(families: readonly (4 | 6)[]): (4 | 6)[] {
  return families.filter((family) => {
    if (family === 6 && !hasIpv6()) return false;
    const file = family === 4 ? 'ipv4/ip_forward' : 'ipv6/conf/all/forwarding';
    return readFileSync(path(file), 'utf8').trim() === '0';
  });
}

/**
 * Those of the interfaces by which packets of IPv4 come in and are not forwarded, on a host that forwards. The kernel
 * asks the interface that a packet came in by, so answers from outside are lost at an uplink. IPv6 it forwards for
 * the whole host or not at all (kernel documentation, ip-sysctl).
 */
export function interfacesWithoutForwarding(names: readonly string[]): string[] {
  if (unforwarded([4]).length > 0) return [];
  return [...new Set(names)].filter((name) => {
    try {
      return readFileSync(path(forwardingOf(name)), 'utf8').trim() === '0';
    } catch {
      return false;
    }
  });
}

/** Has packets of IPv4 forwarded that come in by an interface. Throws code 100 when it cannot be set. */
export function enableForwardingAt(name: string): void {
  writeSysctls([{ file: forwardingOf(name), value: '1' }]);
}

/** The command that does the same. A name may hold a dot, so what separates is a slash. */
export function forwardingCommand(name: string): string {
  return `sysctl -w net/${forwardingOf(name)}=1`;
}

function forwardingOf(name: string): string {
  return `ipv4/conf/${name}/forwarding`;
}

/**
 * Makes the host forward packets of the given families.
 *
 * A kernel that forwards IPv6 stops listening to router advertisements, and loses the default route that it
 * has from them, unless `accept_ra` is 2 (kernel documentation, ip-sysctl): so the interfaces that have such a
 * route get that value first.
 */
export function enableForwarding(families: readonly (4 | 6)[]): void {
  if (families.includes(4)) writeSysctls([{ file: 'ipv4/ip_forward', value: '1' }]);
  if (!families.includes(6) || !hasIpv6()) return;
  if (readFileSync(path('ipv6/conf/all/forwarding'), 'utf8').trim() === '1') return;
  const advertised = advertisedUplinks().filter(
    (name) => readFileSync(path(`ipv6/conf/${name}/accept_ra`), 'utf8').trim() === '1',
  );
  writeSysctls(advertised.map((name) => ({ file: `ipv6/conf/${name}/accept_ra`, value: '2' })));
  writeSysctls([{ file: 'ipv6/conf/all/forwarding', value: '1' }]);
}

function applicable(values: readonly SysctlValue[]): readonly SysctlValue[] {
  return values.some(({ file }) => file.startsWith('ipv6/')) && !hasIpv6()
    ? values.filter(({ file }) => !file.startsWith('ipv6/'))
    : values;
}

/**
 * Interfaces with a default route of IPv6 learnt from a router (RTF_DEFAULT and RTF_ADDRCONF of linux/ipv6_route.h).
 */
function advertisedUplinks(): string[] {
  const routes = readFileSync('/proc/net/ipv6_route', 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => text.trim().split(/\s+/u));
  const learnt = 0x10000 | 0x40000;
  const names = routes.flatMap(([destination, length, , , , , , , flags = '0', name = '']) => {
    const isDefault = destination === '0'.repeat(32) && length === '00';
    return isDefault && (Number.parseInt(flags, 16) & learnt) === learnt ? [name] : [];
  });
  return [...new Set(names)];
}

/** An interface's name may hold a dot ("br0.100"), so the slashes of the path are kept. */
function path(file: string): string {
  return `/proc/sys/net/${file}`;
}
