/** `test` with a world around its host, for who asks for one: an outside whose hosts a policy judges differently. */
import { test as base, type Outside, type Place } from '../../helpers/host.ts';
import { makeWorld, reaches, world } from './network.ts';

type Addresses = typeof world;

/** The addresses of {@link makeWorld}, and what is there. */
interface World extends Addresses {
  readonly outside: Outside;
  /** What a container gets from these hosts, or from the usual ones: "outside", or how it was refused. */
  reaches(from: Place, keys?: readonly (keyof Addresses)[]): Promise<Record<string, string>>;
}

export const test = base.extend<{ world: World }>({
  world: async ({ host }, use) => {
    const outside = await makeWorld(host);
    await use({ ...world, outside, reaches: async (from, keys) => reaches(host, from, keys) });
  },
});
