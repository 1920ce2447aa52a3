/** The page of a full host on which much happens. */
import { join } from 'node:path';
import { startAgent } from '../agent/process/agent.ts';
import { attach, withPolicy } from '../cli/cli.ts';
import { isUnpacked, provide } from '../firewall/packages.ts';
import { describe, expect, test } from '../helpers/host.ts';
import { chromium, startUi, visit } from './open.ts';
import type { Calm } from './visit.ts';

const root = join(import.meta.dirname, '../..');

describe.skipIf(!isUnpacked('chromium'))('the page in Chromium (npm run test:page unpacks it)', () => {
  test('neither flickers nor stands still with 300 containers and a thousand flows a second', async ({ host }) => {
    await provide(host, chromium);
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.container('all');
    await host.sh(`ip link add drawbridge0 up type bridge
      ip addr add 10.88.0.1/16 dev drawbridge0 && ip addr add fd00:88::1/64 dev drawbridge0 nodad`);
    await host.run([join(root, 'node_modules/.bin/node'), join(root, 'bench/agent-records.ts'), '300', '20', '200'], {
      timeout: 60_000,
    });
    const policy = { mode: 'allowlist', allow: ['8.8.8.8'], record: 'all', onDeny: 'drop' };
    const busy = [];
    for (const name of ['one', 'two', 'three', 'four', 'five', 'six'])
      busy.push(await attach(host, withPolicy(policy), name));
    await startAgent(host, [], {}, 60_000);
    await host.spawn(['python3', join(root, 'test/flows/flood.py'), '1000', ...busy.map(({ netns }) => netns)]);
    const { told, errors } = await visit(host, await startUi(host), [
      ['see', '.picture'],
      ['see', 'tr.deny, tr.allow'],
      ['calm', 'tr.deny, tr.allow', '3000'],
      ['count', '.picture > g'],
      ['click', 'nav a[href="#/flows"]'],
      ['see', 'tr.deny, tr.allow'],
      ['calm', 'tr.deny, tr.allow', '3000'],
    ]);
    const [overview, lines, flows] = told as [Calm, number, Calm];
    console.log(`overview ${JSON.stringify(overview)}\nflows ${JSON.stringify(flows)}`);
    expect(errors).toEqual([]);
    for (const { blank, changes, frames } of [overview, flows]) {
      expect({ blank, isMoving: changes > 1, isDrawn: frames > 5 }).toEqual({
        blank: 0,
        isMoving: true,
        isDrawn: true,
      });
    }
    // 306 containers of two networks under 21 policies, and the places.
    expect(lines).toBeLessThan(100);
  }, 240_000);
});
