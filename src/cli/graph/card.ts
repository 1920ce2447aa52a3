import { count } from '../../repair/survey/words.ts';
import { guestWords, type Card, type Reach } from './picture.ts';
import { membersOf } from './fold.ts';
import { escapeLines, rectangle, round, text, widthOf, type Box } from './shapes.ts';
import { reachWords } from './theme.ts';

/** Pixels. */
export const cardWidth = 276;
const lineHeight = 17;
const head = 34;
const foot = 33;
const inset = 16;

/** More than this are counted, not shown. */
const mostPorts = 4;

/** Height of a container's card in pixels. */
export function sizeOfCard(card: Card): number {
  return head + linesOf(card).length * lineHeight + 6 + foot;
}

/** A container: its name, its addresses, ports and policy, and what it reaches, in the colours of its mode. */
export function drawCard(card: Card, box: Box): string {
  const { x, y, width, height } = box;
  const title = card.ifname === 'eth0' ? card.name : `${card.name}  ${card.ifname}`;
  const badge = badgeOf(card);
  const room = width - 2 * inset - (badge === undefined ? 0 : badgeWidth(badge) + 8);
  return [
    `<g>${rectangle(box, 10, `class="${card.mode}-card" stroke-width="1.4"${card.isStale ? ' stroke-dasharray="6 4"' : ''}`)}<title>${escapeLines(titleOf(card))}</title>`,
    text(title, { x: x + inset, y: y + 24, size: 14.5, weight: 700, look: 'words', room }),
    badge === undefined ? '' : drawBadge(badge, x + width - inset + 4, y + 10),
    ...linesOf(card).map(({ words, look }, index) =>
      text(words, {
        x: x + inset,
        y: y + head + 11 + index * lineHeight,
        size: 12,
        look,
        ...(look.endsWith('-words') ? { weight: 600 } : {}),
        room: width - 2 * inset,
      }),
    ),
    drawReach(card, { x: x + inset, y: y + height - foot, width: width - 2 * inset }),
    '</g>',
  ].join('');
}

/** All that is known of it, a line each: what a browser shows under the pointer. */
function titleOf(card: Card): string[] {
  const { policy, reach, ports, denied, isStale } = card;
  return [
    ...membersOf(card).map(({ name, ifname, addresses }) => [`${name}/${ifname}`, ...addresses].join('  ')),
    ...ports,
    ...guestWords(card),
    `policy: ${policy}`,
    ...Object.entries(reach).map(([place, state]) => `${place === 'lan' ? 'LAN' : place}: ${reachWords[state]}`),
    ...(denied > 0 ? [`${denied} denied`] : []),
    ...(isStale ? ['not as its record says'] : []),
  ];
}

function linesOf(card: Card): { words: string; look: string }[] {
  const { addresses, ports, policy, mode, isStale } = card;
  const shown = ports.slice(0, mostPorts);
  const more = ports.length - shown.length;
  return [
    ...addresses.map((words) => ({ words, look: 'mono quiet' })),
    ...shown.map((words) => ({ words: words.replace('->', ' → '), look: 'mono port' })),
    ...(more > 0 ? [{ words: `and ${count(more, 'more port')}`, look: 'port' }] : []),
    { words: policy, look: `${mode}-words` },
    ...guestWords(card).map((words) => ({ words, look: 'quiet' })),
    ...(isStale ? [{ words: 'not as its record says', look: 'bad' }] : []),
  ];
}

/** Signs in a row below a line: where the container gets. */
function drawReach({ reach, mode }: Card, { x, y, width }: { x: number; y: number; width: number }): string {
  const parts = (['internet', 'lan', 'host', 'siblings'] as const).map((place) => ({
    words: place === 'lan' ? 'LAN' : place,
    state: reach[place],
  }));
  const size = 11;
  const sign = 13;
  const used = parts.reduce((sum, { words }) => sum + sign + widthOf(words, size), 0);
  const between = (width - used) / (parts.length - 1);
  let left = x;
  const drawn = parts.map(({ words, state }) => {
    const part = `${drawSign(state, left + 4.5, y + 17)}${text(words, { x: left + sign, y: y + 21, size, look: state === 'closed' ? 'is-closed' : 'words' })}`;
    left += sign + widthOf(words, size) + between;
    return part;
  });
  return `<path d="M${round(x)} ${round(y + 2)}h${round(width)}" class="${mode}-card" stroke-opacity="0.35"/>${drawn.join('')}`;
}

/** A full disc, a half one, or a crossed circle: shapes tell without colours too. */
export function drawSign(state: Reach, x: number, y: number): string {
  const at = `cx="${round(x)}" cy="${round(y)}"`;
  if (state === 'open') return `<circle ${at} r="4.5" class="is-open"/>`;
  const ring = `<circle ${at} r="3.9" class="line-${state}" stroke-width="1.3"/>`;
  if (state === 'listed')
    return `${ring}<path d="M${round(x)} ${round(y - 3.9)}a3.9 3.9 0 0 0 0 7.8z" class="is-listed"/>`;
  return `${ring}<path d="M${round(x - 2.7)} ${round(y + 2.7)}l5.4-5.4" class="line-closed" stroke-width="1.3"/>`;
}

function badgeOf({ denied }: Card): string | undefined {
  return denied === 0 ? undefined : `${denied} denied`;
}

function badgeWidth(words: string): number {
  return 14 + widthOf(words, 11);
}

function drawBadge(words: string, right: number, top: number): string {
  const width = badgeWidth(words);
  return `${rectangle({ x: right - width, y: top, width, height: 18 }, 9, 'class="badge"')}${text(words, { x: right - width / 2, y: top + 13, size: 11, weight: 600, anchor: 'middle', look: 'onBadge' })}`;
}
