import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

async function populate(host: Host): Promise<void> {
  await host.outside();
  const ports = [{ hostPort: 8080, containerPort: 80 }];
  await attach(host, shipped('10-drawbridge'), 'web0', { runtimeConfig: { portMappings: ports } });
  await attach(host, shipped('20-interface-only'), 'plain');
  await attach(host, shipped('30-one-process'), 'ci-runner');
}

describe('drawbridge graph', () => {
  test('draws every container in sound XML, whatever its name', async ({ host }) => {
    await populate(host);
    const { code, stdout } = await drawbridge(host, ['graph']);
    expect(code).toBe(0);
    await host.run(['python3', '-c', 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.stdin)'], {
      input: stdout,
    });
    for (const words of [
      'web0',
      '10.88.0.2',
      '8080 → 80/tcp',
      'restricted',
      'allowlist: registries',
      'no policy',
      'ci-runner',
    ])
      expect(stdout).toContain(words);
  });

  test('shows where each policy lets its containers go', async ({ host }) => {
    await host.outside();
    const policies: Record<string, object> = {
      restricted: { allowPrivate: ['10.1.2.3:5432'] },
      allowlist: { mode: 'allowlist', allow: ['8.8.8.8:443'], hostAccess: 'none' },
      none: { mode: 'allowlist', preset: ['none'], isolation: 'bridge' },
      open: { mode: 'open', hostAccess: 'all' },
      looking: { mode: 'allowlist', preset: ['none'], audit: true },
    };
    for (const [name, policy] of Object.entries(policies)) await attach(host, withPolicy(policy), name);
    const { json } = await drawbridge(host, ['graph', '--json']);
    const reach = (json.networks[0].containers as { name: string; reach: Record<string, string> }[]).map(
      (card) => [card.name, Object.values(card.reach).join(' ')] as const,
    );
    expect(Object.fromEntries(reach)).toEqual({
      restricted: 'open listed listed closed',
      allowlist: 'listed closed closed closed',
      none: 'closed closed listed open',
      open: 'open open open open',
      looking: 'open open open open',
    });
    expect((await drawbridge(host, ['graph'])).stdout).toContain('in part by 1 container');
  });

  test('writes dot that Graphviz draws', async ({ host }) => {
    await populate(host);
    const { stdout } = await drawbridge(host, ['graph', '--format', 'dot']);
    expect(await host.run(['dot', '-Tsvg'], { input: stdout })).toContain('>web0<');
  });

  test('speaks dot, Mermaid, text and JSON, and writes to a file', async ({ host }) => {
    await populate(host);
    expect((await drawbridge(host, ['graph', '--format', 'dot'])).stdout).toMatch(
      /^digraph drawbridge \{[^]*label="web0\\n10\.88\.0\.2/,
    );
    expect((await drawbridge(host, ['graph', '--format', 'mermaid'])).stdout).toMatch(
      /^flowchart LR[^]*\["web0<br\/>10\.88\.0\.2/,
    );
    expect((await drawbridge(host, ['graph', '--format', 'text'])).stdout).toContain(
      '└─ web0  10.88.0.2  restricted  8080->80/tcp',
    );
    const { json } = await drawbridge(host, ['graph', '--json']);
    expect(schemaErrors('graph', json)).toEqual([]);
    await drawbridge(host, ['graph', '--output', '/run/host.svg']);
    expect(await host.run(['head', '-c', '4', '/run/host.svg'])).toBe('<svg');
    expect(await drawbridge(host, ['graph', '--format', 'png'])).toMatchObject({ code: 2 });
  });

  test('draws the host alone where nothing is attached', async ({ host }) => {
    expect(await drawbridge(host, ['graph'])).toMatchObject({ code: 0, stdout: expect.stringContaining('</svg>') });
  });
});
