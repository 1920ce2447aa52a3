import { describe, expect, test } from 'vitest';
import type { Picture } from '../../src/cli/graph/model.ts';
import { drawSvg } from '../../src/cli/graph/svg.ts';
import { drawDot, drawMermaid } from '../../src/cli/graph/text.ts';

const hostile: Picture = {
  host: { name: 'a<b>&"c\n', addresses: [] },
  networks: [
    {
      name: '</svg>',
      bridge: 'br0',
      gateways: [],
      containers: [
        {
          name: '<script>"\\',
          ifname: 'eth0',
          addresses: ['10.0.0.2'],
          ports: ['1->2/tcp'],
          mode: 'open',
          policy: 'open',
          denied: 0,
          isStale: true,
        },
      ],
    },
  ],
};

describe('drawSvg()', () => {
  test('lets no name become markup', () => {
    const drawn = drawSvg(hostile);
    expect(drawn).not.toContain('<script>');
    expect(drawn.match(/<\/svg>/g)).toHaveLength(1);
    expect(drawn).toContain('&lt;script&gt;&quot;\\');
  });

  test('shortens what does not fit its card', () => {
    const [network] = hostile.networks;
    const [card] = network?.containers ?? [];
    if (network === undefined || card === undefined) throw new Error('no card');
    const drawn = drawSvg({
      ...hostile,
      networks: [{ ...network, containers: [{ ...card, policy: 'x'.repeat(200) }] }],
    });
    expect(drawn).toMatch(/>x{20,60}…</);
  });
});

describe('drawDot() and drawMermaid()', () => {
  test('let no name end its quotes', () => {
    expect(drawDot(hostile)).toContain('label="<script>\\"\\\\');
    expect(drawMermaid(hostile)).toContain('#lt;script#gt;#quot;');
  });
});
