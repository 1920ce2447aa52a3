import { describe, expect, test } from 'vitest';
import type { Card, Picture } from '../../src/cli/graph/picture.ts';
import { fold } from '../../src/cli/graph/fold.ts';
import { drawSvg } from '../../src/cli/graph/svg.ts';
import { drawDot, drawMermaid, drawText } from '../../src/cli/graph/text.ts';

const plain: Card = {
  name: 'web0',
  ifname: 'eth0',
  addresses: ['10.0.0.2', 'fd00::2'],
  ports: [],
  mode: 'restricted',
  policy: 'restricted',
  reach: { internet: 'open', lan: 'closed', host: 'listed', siblings: 'closed' },
  denied: 0,
  isStale: false,
};

const time = '2026-11-28T00:40:00.000Z';

const hostile: Picture = {
  time,
  host: { name: 'a<b>&"c\n', addresses: [] },
  networks: [
    {
      name: '</svg>',
      bridge: 'br0',
      gateways: [],
      containers: [{ ...plain, name: '<script>"\\', ports: ['1->2/tcp'], mode: 'open', policy: 'open', isStale: true }],
    },
  ],
};

/** What would steer whoever prints the file: colours, a title, C1, a change of direction, the end of a line. */
const steering = '\u001b[31m\u001b]0;x\u0007\u009b2J\u202e\r\u2028';

test.for([
  ['svg', drawSvg],
  ['dot', drawDot],
  ['mermaid', drawMermaid],
  ['text', drawText],
] as const)('a picture as %s steers no terminal, whatever its texts are', ([, draw]) => {
  const card = { ...plain, name: steering, addresses: [steering], ports: [steering], policy: steering };
  const network = { name: steering, bridge: steering, gateways: [steering], containers: [card] };
  const drawn = draw({ time, host: { name: steering, addresses: [steering] }, networks: [network] });
  expect(drawn).toContain(String.raw`\u001b[31m`);
  expect(drawn).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]/);
});

/** A host with so many containers in each network, of all modes, with ports, long names and denials. */
function hostWith(sizes: readonly number[]): Picture {
  const modes = ['restricted', 'allowlist', 'open', 'none'] as const;
  return {
    time,
    host: { name: 'a-host-with-a-long-name.example.org', addresses: ['192.0.2.1', '2001:db8:ffff:1:2:3:4:5'] },
    networks: sizes.map((size, index) => ({
      name: `network-${index}`,
      bridge: `bridge${index}`,
      gateways: [`10.${index}.0.1`],
      containers: Array.from({ length: size }, (_, place) => ({
        ...plain,
        name: 'x'.repeat(3 + place * 7),
        mode: modes[(index + place) % 4] ?? 'open',
        ports: Array.from({ length: place % 7 }, (__, port) => `192.0.2.1:${8000 + port}->80/tcp`),
        denied: place * 1111,
      })),
    })),
  };
}

type Box = readonly [x: number, y: number, width: number, height: number];

function boxesOf(drawn: string, look: RegExp): Box[] {
  return [
    ...drawn.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="\d+" class="([^"]+)"/g),
  ]
    .filter((match) => look.test(match[5] ?? ''))
    .map(([, ...numbers]) => numbers.slice(0, 4).map(Number) as unknown as Box);
}

function areApart([x, y, width, height]: Box, [x2, y2, width2, height2]: Box): boolean {
  return x + width <= x2 || x2 + width2 <= x || y + height <= y2 || y2 + height2 <= y;
}

/** Points along a path of M, C, h, v and H: enough of them that a box that is crossed has one inside. */
function pointsOf(path: string): [number, number][] {
  const [, x = '0', y = '0'] = /^M([\d.]+) ([\d.]+)/.exec(path) ?? [];
  let at: [number, number] = [Number(x), Number(y)];
  return [...path.matchAll(/C([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)/g)].flatMap(([, ...numbers]) => {
    const [ax = 0, ay = 0, bx = 0, by = 0, cx = 0, cy = 0] = numbers.map(Number);
    const [sx, sy] = at;
    at = [cx, cy];
    return Array.from({ length: 60 }, (_, step): [number, number] => {
      const t = (step + 0.5) / 60;
      const mix = (p: number, q: number, r: number, s: number): number =>
        (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * q + 3 * (1 - t) * t ** 2 * r + t ** 3 * s;
      return [mix(sx, ax, bx, cx), mix(sy, ay, by, cy)];
    });
  });
}

describe('drawSvg()', () => {
  test.for([[[]], [[1]], [[2, 1]], [[7, 5]], [[12]], [[1, 2, 3, 1, 2, 3, 1, 2, 3]], [[40]]])(
    'keeps boxes apart, lines out of boxes and everything on the page with containers %j',
    ([sizes]) => {
      const drawn = drawSvg(hostWith(sizes ?? []));
      const [, width = '', height = ''] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(drawn) ?? [];
      const outer = boxesOf(drawn, /^(?:panel|host|place)/);
      const cards = boxesOf(drawn, /^\w+-card$/).filter(([, , wide]) => wide > 100);
      expect(outer).toHaveLength((sizes ?? []).length + 3);
      expect(cards).toHaveLength((sizes ?? []).reduce((sum, size) => sum + size, 0));
      for (const boxes of [outer, cards])
        for (const [index, box] of boxes.entries())
          for (const other of boxes.slice(0, index)) expect(areApart(box, other)).toBe(true);
      for (const [x, y, wide, high] of [...outer, ...cards]) {
        expect(x + wide).toBeLessThan(Number(width));
        expect(y + high).toBeLessThan(Number(height));
      }
      const lines = [...drawn.matchAll(/<path d="(M[^"]*C[^"]*)" class="edge"/g)].map(([, path = '']) => path);
      expect(lines).toHaveLength((sizes ?? []).length + 2);
      for (const [x, y] of lines.flatMap(pointsOf))
        for (const [left, top, wide, high] of outer)
          expect(x > left + 1 && x < left + wide - 1 && y > top + 1 && y < top + high - 1).toBe(false);
      // Letters are about so wide in any font.
      for (const [, x, size, rest = '', words = ''] of drawn.matchAll(
        /<text x="([\d.]+)" y="[\d.]+" font-size="([\d.]+)"([^>]*)>([^<]*)</g,
      ))
        if (!rest.includes('text-anchor'))
          expect(Number(x) + words.length * Number(size) * 0.5).toBeLessThan(Number(width));
    },
  );

  test('has the shape of a screen, however many containers there are', () => {
    for (const sizes of [[12], [7, 5], [40], [30, 30], [1, 1, 1, 1, 1, 1, 1, 1]]) {
      const [, width = '', height = ''] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(drawSvg(hostWith(sizes))) ?? [];
      expect(Number(width) / Number(height)).toBeGreaterThan(0.7);
      expect(Number(width) / Number(height)).toBeLessThan(2.6);
    }
  });

  test('names no colour outside of its style sheet, which has light and dark', () => {
    const [, style = '', rest = ''] = /<style>([^]*)<\/style>([^]*)/.exec(drawSvg(hostWith([3, 2]))) ?? [];
    expect(style).toContain('@media (prefers-color-scheme:dark)');
    expect(rest).not.toMatch(/#[0-9a-f]{6}/);
    const known = new Set([...style.matchAll(/\.([\w-]+)[{,]/g)].map(([, name]) => name));
    for (const [, names = ''] of rest.matchAll(/class="([^"]+)"/g))
      for (const name of names.split(' ')) expect(known).toContain(name);
  });

  test('draws four equal containers and more as one, with all of them in its title', () => {
    const cards = Array.from({ length: 40 }, (_, index) => ({
      ...plain,
      name: `job-${index}`,
      addresses: [`10.0.1.${index}`],
    }));
    const apart = [
      { ...plain, name: 'web', ports: ['80->80/tcp'] },
      { ...plain, name: 'tried', denied: 3 },
      { ...plain, name: 'broken', isStale: true },
      { ...plain, name: 'other', policy: 'build' },
    ];
    const network = { name: 'n', bridge: 'b', gateways: [], containers: [...cards, ...apart] };
    const picture: Picture = { time, host: { name: 'h', addresses: [] }, networks: [network] };
    const folded = drawSvg(fold(picture));
    expect(boxesOf(folded, /^\w+-card$/).filter(([, , wide]) => wide > 100)).toHaveLength(5);
    expect(folded).toContain('>40 containers<');
    const [title = ''] = /<title>job-0[^<]*/.exec(folded) ?? [];
    for (const { name, addresses } of cards) expect(title).toContain(`${name}/eth0  ${addresses[0]}`);
    expect(folded).toContain('>44 containers in 1 network: 0 without a policy, 3 packets denied, 1 not as recorded<');
    expect(folded).toContain('>2026-11-28 00:40 UTC<');
    expect(folded).toContain('>reached by all<');
    expect(drawSvg(picture).match(/<title>job-/g)).toHaveLength(40);
    const three = { ...picture, networks: [{ ...network, containers: cards.slice(0, 3) }] };
    expect(fold(three)).toEqual(three);
  });

  test('lets no name become markup', () => {
    const drawn = drawSvg(hostile);
    expect(drawn).not.toContain('<script>');
    expect(drawn.match(/<\/svg>/g)).toHaveLength(1);
    expect(drawn).toContain('&lt;script&gt;&quot;\\');
  });

  test('shortens what does not fit its card', () => {
    const picture = hostWith([1]);
    const drawn = drawSvg({
      ...picture,
      networks: picture.networks.map((network) => ({
        ...network,
        containers: [{ ...plain, policy: 'x'.repeat(200) }],
      })),
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
