import type { Picture } from './model.ts';

/** The picture as a tree, for terminals and mails. */
export function drawText({ host, networks }: Picture): string {
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
        ...(card.denied > 0 ? [`${card.denied} denied`] : []),
        ...(card.isStale ? ['stale'] : []),
      ];
      lines.push(`${branch} ${[card.name, ...facts].filter((fact) => fact !== '').join('  ')}`);
    });
  });
  return lines.join('\n');
}

/** The picture in the language of Graphviz. */
export function drawDot({ host, networks }: Picture): string {
  const quoted = (text: string): string =>
    `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
  const clusters = networks.flatMap(({ name, bridge, gateways, containers }, index) => [
    `  subgraph cluster_${index} {`,
    `    label=${quoted(name)}; style="rounded,filled"; color="#cbd5e1"; fillcolor="#f8fafc";`,
    `    bridge_${index} [label=${quoted([bridge, ...gateways].join('\n'))}, fillcolor="#e2e8f0"];`,
    ...containers.flatMap((card, place) => [
      `    c_${index}_${place} [label=${quoted([card.name, ...card.addresses, ...card.ports, card.policy].join('\n'))}, fillcolor="${colours[card.mode].pale}", color="${colours[card.mode].strong}"];`,
      `    bridge_${index} -> c_${index}_${place} [dir=none];`,
    ]),
    '  }',
    `  host -> bridge_${index} [dir=none];`,
  ]);
  return [
    'digraph drawbridge {',
    '  rankdir=LR; fontname="sans-serif";',
    '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];',
    '  internet [shape=ellipse, label="internet", fillcolor="#f1f5f9"];',
    `  host [label=${quoted([host.name, ...host.addresses].join('\n'))}, fillcolor="#e2e8f0"];`,
    '  internet -> host [dir=none];',
    ...clusters,
    '}',
  ].join('\n');
}

/** The picture in the language of Mermaid, which many forges show in documents. */
export function drawMermaid({ host, networks }: Picture): string {
  const label = (lines: readonly string[]): string =>
    `"${lines.map((line) => line.replaceAll('"', '#quot;').replaceAll('<', '#lt;').replaceAll('>', '#gt;')).join('<br/>')}"`;
  const parts = networks.flatMap(({ name, bridge, gateways, containers }, index) => [
    `  subgraph n${index} [${label([name])}]`,
    `    b${index}[${label([bridge, ...gateways])}]`,
    ...containers.flatMap((card, place) => [
      `    c${index}_${place}[${label([card.name, ...card.addresses, ...card.ports, card.policy])}]:::${card.mode}`,
      `    b${index} --- c${index}_${place}`,
    ]),
    '  end',
    `  host --- b${index}`,
  ]);
  const classes = Object.entries(colours).map(
    ([mode, { pale, strong }]) => `  classDef ${mode} fill:${pale},stroke:${strong},color:#0f172a`,
  );
  return [
    'flowchart LR',
    '  internet((internet))',
    `  host[${label([host.name, ...host.addresses])}]`,
    '  internet --- host',
    ...parts,
    ...classes,
  ].join('\n');
}

/** One colour for each mode, told apart also by those who do not see red or green, since the words stand beside. */
export const colours: Readonly<
  Record<
    'open' | 'restricted' | 'allowlist' | 'none',
    { readonly strong: string; readonly pale: string; readonly about: string }
  >
> = {
  allowlist: { strong: '#7c3aed', pale: '#f3efff', about: 'allowlist: what is listed' },
  restricted: { strong: '#0f766e', pale: '#e9f7f5', about: 'restricted: the public internet' },
  open: { strong: '#c2410c', pale: '#fff3ea', about: 'open: everything beyond the host' },
  none: { strong: '#64748b', pale: '#f1f5f9', about: 'no policy' },
};
