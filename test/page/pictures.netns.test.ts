/** What the page looks like: pictures for a person to look at, and what of it can be measured. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startAgent } from '../agent/process/agent.ts';
import { attach, shipped, withPolicy } from '../cli/cli.ts';
import { isUnpacked, provide } from '../firewall/packages.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import type { Conflist, Json } from '../helpers/runtime.ts';
import { chromium, startUi, visit } from './open.ts';
import type { Step } from './visit.ts';

/** `DRAWBRIDGE_DOCS=write npx vitest run --project netns test/page/pictures` takes the picture in README.md anew. */
const isWriting = process.env['DRAWBRIDGE_DOCS'] === 'write';

const root = join(import.meta.dirname, '../..');

/** Where the pictures are left for whoever wants to look at them. */
const album = join(root, 'test/.cache/pictures');

/** A second network, of a policy of its own. */
function agents(egress: Json, name = 'agents'): Conflist {
  const { plugins, ...rest } = withPolicy(egress, name);
  const ipam = { type: 'host-local', subnet: '10.91.0.0/16' };
  return { ...rest, plugins: plugins.map((plugin) => ({ ...plugin, bridge: 'agents0', ipam })) };
}

/** A host of several networks on which something was allowed, and something refused. Returns the page's address. */
async function makeScene(host: Host): Promise<string> {
  await provide(host, chromium);
  const outside = await host.outside();
  await outside.address('203.0.113.10', '198.51.100.7');
  await host.serve(outside, { port: 443, reply: 'hello' });
  await startAgent(host);
  const web = await attach(host, shipped('10-drawbridge'), 'web', {
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
  });
  const build = await attach(host, shipped('10-drawbridge'), 'build');
  const coder = await attach(
    host,
    agents({ mode: 'allowlist', allow: ['203.0.113.10:443'], allowPrivate: ['10.0.0.5:5432'], record: 'all' }),
    'coder',
  );
  await attach(host, agents({ mode: 'open' }), 'a-proxy-whose-name-is-longer-than-any-box-is-wide');
  await host.fetch(coder, '203.0.113.10', 443);
  await host.fetch(coder, '198.51.100.7', 443);
  await host.fetch(build, '10.0.0.5', 5432);
  await host.fetch(web, '169.254.169.254', 80);
  return startUi(host);
}

/** Each view, with what spills in it and a picture of it. */
function look(name: string): Step[] {
  return (
    [
      ['overview', '.picture', 'nav a[href="#/overview"]'],
      ['flows', 'tr.deny', 'nav a[href="#/flows"]'],
      ['findings', '.findings li', 'nav a[href="#/findings"]'],
      ['container', 'dl', 'tr.deny a'],
      ['why', '.answer.deny', 'text=Why, and what would open it'],
    ] as const
  ).flatMap(([view, place, way]): Step[] => [
    ...(view === 'container' ? ([['click', 'nav a[href="#/flows"]']] satisfies Step[]) : []),
    ['click', way],
    ['see', place],
    ['spill'],
    ['picture', `/tmp/${name}-${view}.png`],
  ]);
}

describe.skipIf(!isUnpacked('chromium'))('the page in Chromium (npm run test:page unpacks it)', () => {
  for (const [name, scheme, width] of [
    ['light', 'light', '1200'],
    ['dark', 'dark', '1200'],
    ['narrow', 'light', '380'],
  ] as const)
    test(`keeps every text in its place, ${name}`, async ({ host }) => {
      const address = await makeScene(host);
      const { told, errors } = await visit(host, address, look(name), scheme, width);
      mkdirSync(album, { recursive: true });
      await host.sh(`cp /tmp/${name}-*.png ${album}`);
      if (isWriting && name === 'light') copyFileSync(join(album, 'light-overview.png'), join(root, 'docs/page.png'));
      expect({ told, errors }).toEqual({ told: [[], [], [], [], []], errors: [] });
    });
});
