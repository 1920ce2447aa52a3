import { readFileSync } from 'node:fs';
import { readInterface } from './interfaces.ts';
import { showJson } from './ip.ts';
import { partsOf, type ShownRoute } from './routes.ts';

/**
 * MTU of the interfaces that default routes lead through: the least of the ways of a route with several (ECMP), and of
 * both families; undefined without any. A default route on loopback (a blackhole, as some VPNs make one) leads nowhere.
 */
export async function uplinkMtu(): Promise<number | undefined> {
  const names = new Set([...lowestMetric(await defaultRoutes(4)), ...lowestMetric(await defaultRoutes(6))]);
  const states = await Promise.all([...names].map((name) => readInterface(name)));
  const mtus = states.flatMap((state) => (state === undefined || state.mtu === 0 ? [] : [state.mtu]));
  return mtus.length === 0 ? undefined : Math.min(...mtus);
}

/** Names of all interfaces that a default route of IPv4 leads through, whatever its metric. */
export async function uplinks(): Promise<string[]> {
  return (await defaultRoutes(4)).flatMap(({ name }) => (name === 'lo' || name === '' ? [] : [name]));
}

interface DefaultRoute {
  readonly name: string;
  readonly metric: number;
}

/** Names of all interfaces that the best routes lead through. */
function lowestMetric(routes: readonly DefaultRoute[]): string[] {
  const usable = routes.filter(({ name }) => name !== 'lo' && name !== '');
  const least = Math.min(...usable.map(({ metric }) => metric));
  return usable.flatMap(({ name, metric }) => (metric === least ? [name] : []));
}

/** /proc/net/route names the first way alone of a route of IPv4 with several; a route that is read whole names all. */
async function defaultRoutes(family: 4 | 6): Promise<DefaultRoute[]> {
  const listed = family === 4 ? ipv4Defaults() : ipv6Defaults();
  if (family === 6 || listed.length === 0) return listed;
  const shown = (await showJson(['-4', 'route', 'show', 'default'])) as ShownRoute[] | undefined;
  return (shown ?? []).flatMap((route) => partsOf(route).map(({ dev = '', metric = 0 }) => ({ name: dev, metric })));
}

/** Flags of a route, of linux/route.h: usable, and answered with "unreachable". */
const up = 0x1;
const reject = 0x200;

function isUsable(flags: string | undefined): boolean {
  return (Number.parseInt(flags ?? '0', 16) & (up | reject)) === up;
}

function ipv4Defaults(): DefaultRoute[] {
  return readLines('/proc/net/route')
    .slice(1)
    .flatMap((text) => {
      const [name = '', destination, , flags, , , metric, mask] = text.split('\t');
      return destination === '00000000' && mask === '00000000' && isUsable(flags)
        ? [{ name, metric: Number(metric) }]
        : [];
    });
}

function ipv6Defaults(): DefaultRoute[] {
  return readLines('/proc/net/ipv6_route').flatMap((text) => {
    const [destination, length, , , , metric = '0', , , flags, name = ''] = text.trim().split(/\s+/u);
    return destination === '0'.repeat(32) && length === '00' && name !== 'lo' && isUsable(flags)
      ? [{ name, metric: Number.parseInt(metric, 16) }]
      : [];
  });
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}
