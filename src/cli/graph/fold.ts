import { count } from '../../repair/survey/words.ts';
import type { Card, FoldedCard, Picture } from './picture.ts';

/** Fewer are drawn one by one. */
const fewest = 4;

/** So many addresses stand on a card for all. */
const mostShown = 3;

/**
 * The picture with equal containers of a network as one card, in the place of the first of them. A container that
 * somebody may have to look at (it publishes a port, was denied something, is not as its record says) stays its own.
 */
export function fold(picture: Picture): Picture {
  return {
    ...picture,
    networks: picture.networks.map((network) => ({ ...network, containers: foldCards(network.containers) })),
  };
}

function foldCards(cards: readonly Card[]): Card[] {
  const groups = [...Map.groupBy(cards, (card) => (isQuiet(card) ? looksOf(card) : card)).values()];
  return groups.flatMap((group) => (group.length < fewest ? group : [foldedCard(group)]));
}

function isQuiet({ ports, denied, isStale }: Card): boolean {
  return ports.length === 0 && denied === 0 && !isStale;
}

function looksOf({ mode, policy, reach, ifname }: Card): string {
  const { internet, lan, host, siblings } = reach;
  return [mode, policy, internet, lan, host, siblings, ifname].join('\n');
}

function foldedCard(members: readonly Card[]): FoldedCard {
  const [first] = members;
  if (first === undefined) throw new RangeError('a group has a member');
  const names = members.map(({ name }) => name);
  const more = names.length - mostShown;
  return {
    ...first,
    name: count(members.length, 'container'),
    addresses: [...names.slice(0, mostShown), ...(more > 0 ? [`and ${more} more`] : [])],
    members,
  };
}

/** The containers that a card stands for. */
export function membersOf(card: Card): readonly Card[] {
  return 'members' in card ? (card as FoldedCard).members : [card];
}
