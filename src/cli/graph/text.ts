import { visibleLines } from '../../text/visible.ts';
import { totalsOf } from './header.ts';
import { guestWords, type Card, type Picture } from './picture.ts';
import { placesOf } from './places.ts';
import { colours } from './theme.ts';

/** The picture as a tree, for terminals and mails. */
export function drawText(picture: Picture): string {
  const { host, networks } = picture;
  const lines = ['internet', `└─ ${host.name}${host.addresses.length === 0 ? '' : `  ${host.addresses.join(' ')}`}`];
  networks.forEach(({ name, bridge, gateways, containers }, index) => {
    const isLast = index === networks.length - 1;
    lines.push(`   ${isLast ? '└─' : '├─'} ${name}  ${bridge}  ${gateways.join(' ')}`.trimEnd());
    containers.forEach((card, place) => {
      const branch = `   ${isLast ? '  ' : '│ '} ${place === containers.length - 1 ? '└─' : '├─'}`;
      const facts = [
        card.addresses[0] ?? '',
        card.policy,
        ...card.ports,
        ...guestWords(card),
        ...(card.denied > 0 ? [`${card.denied} denied`] : []),
        ...(card.isStale ? ['stale'] : []),
      ];
      lines.push(`${branch} ${[card.name, ...facts].filter((fact) => fact !== '').join('  ')}`);
    });
  });
  lines.push(`${totalsOf(picture)}.`);
  return visibleLines(lines.join('\n'));
}

/** The picture in the language of Graphviz. */
export function drawDot(picture: Picture): string {
  const { host, networks } = picture;
  const quoted = (text: string): string =>
    `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
  const clusters = networks.flatMap(({ name, bridge, gateways, containers }, index) => [
    `  subgraph cluster_${index} {`,
    `    label=${quoted(name)}; labeljust=l; style="rounded,filled"; color="#d3dbe6"; fillcolor="#f8fafc";`,
    `    bridge_${index} [label=${quoted([bridge, ...gateways].join('\n'))}, fillcolor="#e2e8f0"];`,
    ...containers.flatMap((card, place) => [
      `    c_${index}_${place} [label=${quoted(linesOf(card).join('\n'))}, fillcolor="${colours[card.mode].pale.light}", color="${colours[card.mode].strong.light}"${card.isStale ? ', style="rounded,filled,dashed"' : ''}];`,
      `    bridge_${index} -> c_${index}_${place};`,
    ]),
    '  }',
    `  host -> bridge_${index};`,
  ]);
  return visibleLines(
    [
      'digraph drawbridge {',
      '  rankdir=LR; ordering=out; ranksep=0.7; fontname="Helvetica,sans-serif"; bgcolor="white";',
      '  node [shape=box, style="rounded,filled", fontname="Helvetica,sans-serif", fontsize=11, color="#8fa0b8", fillcolor="white", margin="0.16,0.09"];',
      '  edge [dir=none, color="#8fa0b8", penwidth=1.4];',
      ...placesOf(picture).map(({ id, title, facts }) => `  ${id} [label=${quoted([title, ...facts].join('\n'))}];`),
      `  host [label=${quoted([host.name, ...host.addresses].join('\n'))}, fillcolor="#16213a", color="#16213a", fontcolor="white"];`,
      '  internet -> host;',
      '  lan -> host;',
      ...clusters,
      '}',
    ].join('\n'),
  );
}

/** The picture in the language of Mermaid, which many forges show in documents. */
export function drawMermaid(picture: Picture): string {
  const { host, networks } = picture;
  const label = (lines: readonly string[]): string =>
    `"${lines.map((line) => line.replaceAll('#', '#35;').replaceAll('"', '#quot;').replaceAll('<', '#lt;').replaceAll('>', '#gt;')).join('<br/>')}"`;
  const parts = networks.flatMap(({ name, bridge, gateways, containers }, index) => [
    `  subgraph n${index} [${label([name])}]`,
    `    b${index}[${label([bridge, ...gateways])}]`,
    ...containers.flatMap((card, place) => [
      `    c${index}_${place}[${label(linesOf(card))}]:::${card.mode}`,
      `    b${index} --- c${index}_${place}`,
    ]),
    '  end',
    `  host --- b${index}`,
  ]);
  const classes = Object.entries(colours).map(
    ([mode, { pale, strong }]) => `  classDef ${mode} fill:${pale.light},stroke:${strong.light},color:#0f172a`,
  );
  return visibleLines(
    [
      'flowchart LR',
      ...placesOf(picture).map(({ id, title, facts }) => `  ${id}([${label([title, ...facts])}])`),
      `  host[${label([host.name, ...host.addresses])}]:::host`,
      '  internet --- host',
      '  lan --- host',
      ...parts,
      ...classes,
      '  classDef host fill:#16213a,stroke:#16213a,color:#ffffff',
    ].join('\n'),
  );
}

function linesOf(card: Card): string[] {
  const { name, addresses, ports, policy, denied, isStale } = card;
  return [
    name,
    ...addresses,
    ...ports,
    policy,
    ...guestWords(card),
    ...(denied > 0 ? [`${denied} denied`] : []),
    ...(isStale ? ['not as its record says'] : []),
  ];
}
