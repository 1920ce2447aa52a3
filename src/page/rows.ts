import type { Card, Picture } from './model.ts';

/** A line of the picture: one container, or several that are alike. */
export interface PictureRow {
  readonly key: string;
  readonly network: string;
  readonly title: string;
  readonly detail: string;
  readonly card: Card;
  /** Names of the containers that it stands for. */
  readonly names: readonly string[];
}

/** Containers of a host that are drawn one by one. */
const mostSingle = 24;

/**
 * Lines for the picture: each container while there are few; else those of one network under one policy are one line,
 * and those that were denied something, that have no policy or that are not as they should be, stay by themselves.
 */
export function rowsOf({ networks }: Picture): PictureRow[] {
  const total = networks.reduce((sum, { containers }) => sum + containers.length, 0);
  return networks.flatMap(({ name: network, containers }) => {
    const isSingle = ({ denied, mode, isStale }: Card): boolean =>
      total <= mostSingle || denied > 0 || mode === 'none' || isStale;
    const single = containers.filter(isSingle).map((card): PictureRow => rowOf(network, card));
    const alike = Map.groupBy(
      containers.filter((card) => !isSingle(card)),
      ({ policy }) => policy,
    );
    const folded = [...alike].flatMap(([policy, cards]): PictureRow[] => {
      const [card] = cards;
      if (card === undefined) return [];
      if (cards.length === 1) return [rowOf(network, card)];
      return [
        {
          key: `${network} ${policy}`,
          network,
          title: `${cards.length} containers`,
          detail: policy,
          card,
          names: cards.map(({ name }) => name),
        },
      ];
    });
    return [...single, ...folded];
  });
}

function rowOf(network: string, card: Card): PictureRow {
  const { name, ifname, ports, policy } = card;
  const detail = ports.length === 0 ? policy : `${policy}; publishes ${ports.join(', ')}`;
  return { key: `${network} ${name} ${ifname}`, network, title: name, detail, card, names: [name] };
}
