/** Serves the page of a private host, and looks at it. */
import { join } from 'node:path';
import { executable } from '../helpers/executable.ts';
import type { Host } from '../helpers/private-host.ts';
import { until } from '../runtimes/machine.ts';
import type { Step, Visit } from './visit.ts';

const root = join(import.meta.dirname, '../..');
export const chromium = join(root, 'test/.cache/debian/chromium');

export const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Starts the page's server and returns what it prints: the address with its token. */
export async function startUi(host: Host, ...options: string[]): Promise<string> {
  const daemon = await host.spawn([executable, 'ui', ...options], { env: { PATH: path, LC_ALL: 'C' } });
  return until('the page is served', async () => /http:\S+/.exec(await host.run(['cat', daemon.log]))?.[0]);
}

/** Opens a page in Chromium, inside of the host, and does what the steps say. */
export async function visit(host: Host, address: string, steps: readonly Step[], ...options: string[]): Promise<Visit> {
  const node = join(root, 'node_modules/.bin/node');
  const said = await host.run([node, join(import.meta.dirname, 'visit.ts'), address, ...options], {
    input: JSON.stringify(steps),
    env: { PATH: path, HOME: '/tmp', LC_ALL: 'C.UTF-8' },
    timeout: 180_000,
  });
  return JSON.parse(said) as Visit;
}
