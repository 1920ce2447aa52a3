import { listLinks } from './interfaces.ts';
import { showJson } from './ip.ts';
import { readWaysOf, readWith } from './netlink/read.ts';
import { partsOf, type ShownRoute } from './routes.ts';
import { hasIpv6 } from './sysctl.ts';

/** Every unicast route of the host, as `INTERFACE DESTINATION`; read once where many are looked for. */
export async function readWays(): Promise<ReadonlySet<string>> {
  const families = hasIpv6() ? ([4, 6] as const) : ([4] as const);
  const read = await readWith(undefined, (conversation) => readWaysOf(conversation, families));
  if (read !== undefined) {
    const names = new Map(listLinks().map(({ index, name }) => [index, name]));
    return new Set(read.value.map(({ index, dst }) => `${names.get(index) ?? ''} ${dst}`));
  }
  const shown = await Promise.all(
    families.map(async (family) => {
      const routes = ((await showJson([`-${family}`, 'route', 'show', 'table', 'all'])) ?? []) as ShownRoute[];
      const length = family === 4 ? 32 : 128;
      return routes
        .flatMap(partsOf)
        .map(({ dev = '', dst }) => `${dev} ${dst.includes('/') || dst === 'default' ? dst : `${dst}/${length}`}`);
    }),
  );
  return new Set(shown.flat());
}
