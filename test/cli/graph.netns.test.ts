import { attach, drawbridge, schemaErrors, shipped } from './cli.ts';
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

  test('keeps boxes apart, and lines out of boxes', async ({ host }) => {
    await populate(host);
    const { stdout } = await drawbridge(host, ['graph']);
    const boxes = [
      ...stdout.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="14"/g),
    ].map(([, ...numbers]) => numbers.map(Number) as [number, number, number, number]);
    expect(boxes).toHaveLength(3);
    const byTop = boxes.toSorted(([, one], [, other]) => one - other);
    for (const [index, [, y]] of byTop.entries()) {
      const before = byTop[index - 1];
      if (before !== undefined) expect(y).toBeGreaterThan(before[1] + before[3]);
    }
    expect(new Set(boxes.map(([x]) => x)).size).toBe(1);
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
