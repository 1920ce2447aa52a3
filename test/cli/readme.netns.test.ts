import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { drawSvg } from '../../src/cli/graph/svg.ts';
import type { Picture } from '../../src/cli/graph/picture.ts';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { attach, drawbridge, shipped, withPolicy } from './cli.ts';

/** `DRAWBRIDGE_DOCS=write npx vitest run --project netns test/cli/readme` writes what the commands print now. */
const isWriting = process.env['DRAWBRIDGE_DOCS'] === 'write';

const file = join(import.meta.dirname, '../../README.md');
const env = { PATH: `${dirname(executable)}:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: 'C.UTF-8', COLUMNS: '80' };

/** The console blocks of a section, and the commands in them. */
function blocksOf(title: string): { block: string; commands: string[] }[] {
  const [, section = ''] = readFileSync(file, 'utf8').split(`\n## ${title}\n`);
  const [own = ''] = section.split('\n## ');
  return [...own.matchAll(/```console\n([^]*?)```/g)].map(([, block = '']) => ({
    block,
    commands: [...block.matchAll(/^# (.*)$/gm)].map(([, command = '']) => command),
  }));
}

/** What a terminal shows when the commands are typed into it. */
async function type(host: Host, commands: readonly string[]): Promise<string> {
  let shown = '';
  for (const command of commands) {
    const { stdout } = await host.exec(['/bin/sh', '-c', `${command} 2>&1`], { env, timeout: 30_000 });
    shown += `# ${command}\n${stdout}`;
  }
  return shown;
}

describe('README.md', () => {
  test('shows a session in which two commands tell why a container reaches nothing, as it really goes', async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('203.0.113.10');
    await host.serve(outside, { port: 443, reply: 'hello\n' });
    await host.run([executable, 'install'], { env });
    await attach(host, shipped('10-drawbridge'), 'build');
    // Whether the machine has br_netfilter is not this host's to say.
    await host.sh('sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true');
    // What the cloud image of Oracle has in its rules, loaded again.
    await host.sh('iptables-nft -I FORWARD -j REJECT --reject-with icmp-host-prohibited');

    const blocks = blocksOf('When a container cannot reach something');
    expect(blocks.length).toBeGreaterThan(0);
    expect(blocks.flatMap(({ commands }) => commands)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^drawbridge doctor/),
        expect.stringMatching(/^drawbridge explain/),
      ]),
    );
    for (const { block, commands } of blocks) {
      const shown = await type(host, commands);
      if (isWriting)
        writeFileSync(
          file,
          readFileSync(file, 'utf8').replace(block, () => shown),
        );
      else expect(block).toBe(shown);
    }
  });

  test('has a picture of a real host', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('203.0.113.10');
    const published = (hostPort: number, containerPort: number) => ({
      runtimeConfig: { portMappings: [{ hostPort, containerPort, protocol: 'tcp' }] },
    });
    await attach(host, shipped('10-drawbridge'), 'web', published(8080, 80));
    const build = await attach(host, shipped('10-drawbridge'), 'build');
    const [plugin] = withPolicy({}).plugins;
    const agents = (policy: object) => ({
      ...withPolicy(policy, 'agents'),
      plugins: [{ ...plugin, bridge: 'agents0', egress: policy, ipam: { type: 'host-local', subnet: '10.91.0.0/16' } }],
    });
    await attach(host, agents({ mode: 'allowlist', allow: ['203.0.113.10:443'] }), 'coder');
    await attach(host, agents({ mode: 'allowlist', allowPrivate: ['10.0.0.5:5432'] }), 'tester');
    await attach(host, agents({ mode: 'open', isolation: 'bridge' }), 'proxy');
    for (const port of [5432, 5433]) await host.fetch(build, '10.0.0.5', port);

    const { json } = await drawbridge(host, ['graph', '--json']);
    const picture = json as Picture;
    // The day that it is drawn at, and the name of the machine, are another one each time.
    const drawn = drawSvg({ ...picture, time: '2026-11-28T12:00:00Z', host: { ...picture.host, name: 'host' } });
    await expect(`${drawn}\n`).toMatchFileSnapshot('../../demo/graph.svg');
    expect(readFileSync(file, 'utf8')).toContain('(demo/graph.svg)');
  });
});
