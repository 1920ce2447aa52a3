import type { Card, Reach } from './picture.ts';

/** A colour on white paper and on a dark screen. */
interface Shade {
  readonly light: string;
  readonly dark: string;
}

/** How a mode looks. */
interface ModeColours {
  /** Lines and words. */
  readonly strong: Shade;
  /** What stands behind words. */
  readonly pale: Shade;
  readonly about: string;
}

/** One colour for each mode, told apart also by those who do not see red or green, since the words stand beside. */
export const colours: Readonly<Record<Card['mode'], ModeColours>> = {
  allowlist: {
    strong: { light: '#6d28d9', dark: '#b79cf7' },
    pale: { light: '#f6f2ff', dark: '#251d3d' },
    about: 'allowlist: only what is listed',
  },
  restricted: {
    strong: { light: '#0f766e', dark: '#4fd1c1' },
    pale: { light: '#eef9f7', dark: '#10302f' },
    about: 'restricted: the public internet',
  },
  open: {
    strong: { light: '#c2410c', dark: '#fb9a5b' },
    pale: { light: '#fff5ee', dark: '#3a2113' },
    about: 'open: everything beyond the host',
  },
  none: {
    strong: { light: '#64748b', dark: '#94a3b8' },
    pale: { light: '#f4f6f9', dark: '#1e293b' },
    about: 'no policy',
  },
};

/** What the signs of what a container reaches mean. */
export const reachWords: Readonly<Record<Reach, string>> = { open: 'reached', listed: 'in part', closed: 'closed' };

/**
 * Everything that has a colour, by class. A drawing names classes only, so that it follows the reader's light or dark.
 */
const fills: Readonly<Record<string, Shade>> = {
  page: { light: '#ffffff', dark: '#0d1420' },
  panel: { light: '#f8fafc', dark: '#141d2c' },
  words: { light: '#0f172a', dark: '#f1f5f9' },
  quiet: { light: '#52617a', dark: '#9fb0c6' },
  port: { light: '#0369a1', dark: '#6cc4f5' },
  bad: { light: '#b91c1c', dark: '#f87171' },
  badge: { light: '#b91c1c', dark: '#b91c1c' },
  onBadge: { light: '#ffffff', dark: '#ffffff' },
  host: { light: '#16213a', dark: '#25344f' },
  onHost: { light: '#ffffff', dark: '#ffffff' },
  onHostQuiet: { light: '#c3cfe2', dark: '#c3cfe2' },
  place: { light: '#ffffff', dark: '#141d2c' },
  'is-open': { light: '#15803d', dark: '#4ade80' },
  'is-listed': { light: '#b45309', dark: '#fbbf24' },
  'is-closed': { light: '#76859b', dark: '#8291a7' },
  bus: { light: '#8fa0b8', dark: '#52647f' },
};

const strokes: Readonly<Record<string, Shade>> = {
  edge: { light: '#8fa0b8', dark: '#52647f' },
  frame: { light: '#d3dbe6', dark: '#2c3a50' },
  'line-open': fills['is-open']!,
  'line-listed': fills['is-listed']!,
  'line-closed': fills['is-closed']!,
  icon: { light: '#52617a', dark: '#9fb0c6' },
  hostIcon: { light: '#c3cfe2', dark: '#c3cfe2' },
};

/** The style sheet of a picture. Programs that do not know media queries show it light. */
export function styleSheet(): string {
  const rules = (side: keyof Shade): string[] => [
    ...Object.entries(fills).map(([name, shade]) => `.${name}{fill:${shade[side]}}`),
    ...Object.entries(strokes).map(([name, shade]) => `.${name}{stroke:${shade[side]}}`),
    ...Object.entries(colours).flatMap(([mode, { strong, pale }]) => [
      `.${mode}-words{fill:${strong[side]}}`,
      `.${mode}-card{fill:${pale[side]};stroke:${strong[side]}}`,
    ]),
  ];
  return [
    'text{font-family:Inter,"Segoe UI",Roboto,Helvetica,Arial,"DejaVu Sans",sans-serif}',
    '.mono{font-family:"JetBrains Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}',
    '.edge,.icon,.hostIcon,.line-open,.line-listed,.line-closed{fill:none}',
    ...rules('light'),
    `@media (prefers-color-scheme:dark){${rules('dark').join('')}}`,
  ].join('\n');
}
