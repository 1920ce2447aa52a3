import { fileURLToPath } from 'node:url';
import type { Host } from '../helpers/host.ts';
import type { Call, Outcome } from './driver.ts';

const driver = fileURLToPath(new URL('driver.ts', import.meta.url));
/** The runtime of the executable, with children alone: Node gives a child a socket to read, which nft 1.0.9 refuses. */
const bun = fileURLToPath(new URL('../../node_modules/.bin/bun', import.meta.url));

/** Calls functions of src/ in one process inside the host: see driver.ts. */
export async function call(host: Host, ...steps: readonly (readonly [Call, ...unknown[]])[]): Promise<Outcome[]> {
  const text = await host.run(['env', 'DRAWBRIDGE_CHILDREN=1', bun, driver], {
    input: JSON.stringify({ steps }),
    timeout: 60_000,
  });
  return JSON.parse(text) as Outcome[];
}

/** As {@link call}, for steps that must succeed: their values. */
export async function values(host: Host, ...steps: readonly (readonly [Call, ...unknown[]])[]): Promise<unknown[]> {
  return (await call(host, ...steps)).map(({ value, error }) => {
    if (error !== undefined) throw new Error(`${error.message} (${error.details ?? ''})`);
    return value;
  });
}
