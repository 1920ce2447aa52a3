import { count } from '../../repair/survey/words.ts';
import { membersOf } from './fold.ts';
import type { Card, Picture } from './picture.ts';
import { rectangle, round, text, widthOf, type Box } from './shapes.ts';

/** Pixels. */
const placeHeight = 96;
const hostHead = 62;
const lineHeight = 18;

/** A place that containers may want to reach, with how many do. */
export interface Place {
  readonly id: 'internet' | 'lan';
  readonly title: string;
  readonly facts: readonly string[];
}

/** The places outside of the host. */
export function placesOf({ networks }: Picture): Place[] {
  const cards = networks.flatMap(({ containers }) => containers.flatMap(membersOf));
  return [
    { id: 'internet', title: 'Internet', facts: factsOf(cards, 'internet') },
    { id: 'lan', title: 'Private networks', facts: factsOf(cards, 'lan') },
  ];
}

/** All places are of one width. */
export function sizeOfPlace({ facts }: Place, all: readonly Place[]): { width: number; height: number } {
  const widest = all.flatMap((one) => [widthOf(one.title, 15), ...one.facts.map((fact) => widthOf(fact, 11.5))]);
  return { width: Math.max(132, ...widest) + 28, height: placeHeight - 16 + 16 * facts.length };
}

/** A sign, the name, and who gets there. */
export function drawPlace({ id, title, facts }: Place, box: Box): string {
  const { x, y, width } = box;
  const middle = x + width / 2;
  return [
    rectangle(box, 14, 'class="place frame" stroke-width="1.4"'),
    id === 'internet' ? globe(middle, y + 28) : tree(middle, y + 28),
    text(title, { x: middle, y: y + 66, size: 14, weight: 700, anchor: 'middle', look: 'words' }),
    ...facts.map((fact, index) =>
      text(fact, { x: middle, y: y + 83 + index * 16, size: 11.5, anchor: 'middle', look: 'quiet' }),
    ),
  ].join('');
}

export function sizeOfHost({ host }: Picture): { width: number; height: number } {
  const widest = Math.max(widthOf(host.name, 17), ...host.addresses.map((address) => widthOf(address, 12, true)));
  return { width: Math.max(148, widest + 36), height: hostHead + 24 + lineHeight * host.addresses.length };
}

export function drawHost({ host }: Picture, box: Box): string {
  const { x, y, width } = box;
  const middle = x + width / 2;
  return [
    rectangle(box, 14, 'class="host"'),
    server(middle, y + 26),
    text(host.name, { x: middle, y: y + 60, size: 16, weight: 700, anchor: 'middle', look: 'onHost' }),
    ...host.addresses.map((address, index) =>
      text(address, {
        x: middle,
        y: y + hostHead + 18 + index * lineHeight,
        size: 12,
        anchor: 'middle',
        look: 'mono onHostQuiet',
      }),
    ),
  ].join('');
}

function factsOf(cards: readonly Card[], place: Place['id']): string[] {
  const having = (state: string): number => cards.filter(({ reach }) => reach[place] === state).length;
  const [open, listed] = [having('open'), having('listed')];
  if (cards.length === 0) return ['no container yet'];
  if (open + listed === 0) return ['reached by none'];
  return [
    ...(open === 0 ? [] : [`reached by ${open === cards.length ? 'all' : count(open, 'container')}`]),
    ...(listed === 0 ? [] : [`in part by ${listed === cards.length ? 'all' : count(listed, 'container')}`]),
  ];
}

function globe(x: number, y: number): string {
  const r = 16;
  const at = `cx="${round(x)}" cy="${round(y)}"`;
  const across = (from: number, half: number): string => `M${round(x - half)} ${round(y + from)}h${round(2 * half)}`;
  return `<g class="icon" stroke-width="1.5"><circle ${at} r="${r}"/><ellipse ${at} rx="7" ry="${r}"/><path d="${across(0, r)}${across(-8, 13.9)}${across(8, 13.9)}"/></g>`;
}

/** One switch above two machines. */
function tree(x: number, y: number): string {
  const square = (left: number, top: number): string =>
    `<rect x="${round(x + left)}" y="${round(y + top)}" width="12" height="10" rx="2"/>`;
  return `<g class="icon" stroke-width="1.5">${square(-6, -15)}${square(-20, 6)}${square(8, 6)}<path d="M${round(x)} ${round(y - 5)}v5M${round(x - 14)} ${round(y + 6)}v-6h28v6"/></g>`;
}

function server(x: number, y: number): string {
  const unit = (top: number): string =>
    `<rect x="${round(x - 15)}" y="${round(y + top)}" width="30" height="10" rx="2.5"/><path d="M${round(x - 10)} ${round(y + top + 5)}h3M${round(x - 1)} ${round(y + top + 5)}h10"/>`;
  return `<g class="hostIcon" stroke-width="1.5">${unit(-13)}${unit(1)}</g>`;
}
