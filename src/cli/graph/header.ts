import { count } from '../../repair/survey/words.ts';
import { membersOf } from './fold.ts';
import type { Picture } from './picture.ts';
import { text } from './shapes.ts';

/** Pixels. */
export const headerHeight = 38;

/** A line above the picture: whose it is, how much there is, and of when. */
export function drawHeader(picture: Picture, { x, y, room }: { x: number; y: number; room: number }): string {
  return [
    text(totalsOf(picture), { x, y: y + 25, size: 12.5, look: 'words', room: room - 150 }),
    text(timeWords(picture.time), { x: x + room, y: y + 25, size: 12, anchor: 'end', look: 'quiet' }),
  ].join('');
}

/** "12 containers in 3 networks: 2 without a policy, 17 packets denied, 1 not as recorded". */
export function totalsOf({ networks }: Picture): string {
  const cards = networks.flatMap(({ containers }) => containers).flatMap(membersOf);
  const open = cards.filter(({ mode }) => mode === 'none').length;
  const denied = cards.reduce((sum, card) => sum + card.denied, 0);
  const stale = cards.filter(({ isStale }) => isStale).length;
  return `${count(cards.length, 'container')} in ${count(networks.length, 'network')}: ${open} without a policy, ${count(denied, 'packet')} denied, ${stale} not as recorded`;
}

/** "2026-11-28 00:40 UTC": whoever gets the file lives elsewhere. */
function timeWords(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}
