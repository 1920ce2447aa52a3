import { writeFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { valueOf, type Invocation } from './command.ts';
import { fold } from './graph/fold.ts';
import { readPicture } from './graph/model.ts';
import type { Picture } from './graph/picture.ts';
import { drawSvg } from './graph/svg.ts';
import { drawDot, drawMermaid, drawText } from './graph/text.ts';
import { showAgain } from './list/again.ts';
import { formatOf, printValue } from './list/format.ts';
import { selectionOf } from './list/select.ts';
import type { Terminal } from './terminal.ts';
import { systemReason } from '../text/system-error.ts';

const drawings = {
  svg: (picture) => drawSvg(fold(picture)),
  wide: drawSvg,
  dot: drawDot,
  mermaid: drawMermaid,
  text: drawText,
  name: ({ networks }) =>
    [...new Set(networks.flatMap(({ containers }) => containers.map(({ name }) => name)))].join('\n'),
} as const satisfies Record<string, (picture: Picture) => string>;

type DrawnFormat = keyof typeof drawings | 'json' | 'yaml';

/** The host's networks, containers, ports and policies as a picture. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const given = formatOf<'svg' | 'dot' | 'mermaid' | 'text'>(invocation);
  const format = given === 'table' ? 'svg' : given;
  return showAgain(invocation, format, terminal, async (to) => draw(invocation, format, to));
}

async function draw(invocation: Invocation, format: DrawnFormat, terminal: Terminal): Promise<number> {
  const file = valueOf(invocation, 'output');
  const out = file === undefined ? terminal.out : (drawn: string): void => save(file, `${drawn}\n`);
  if (invocation.options['html'] === true) {
    const { keptPage } = await import('./ui/kept-page.ts');
    out(await keptPage());
    return 0;
  }
  const picture = await readPicture(selectionOf(invocation));
  if (format === 'json' || format === 'yaml') await printValue({ ...terminal, out }, picture, format);
  else out(drawings[format](picture));
  return 0;
}

function save(file: string, drawn: string): void {
  try {
    writeFileSync(file, drawn);
  } catch (cause) {
    throw new CniError(
      codes.ioFailure,
      `Cannot write "${file}": ${systemReason(cause)}`,
      'Name a file in a folder that is there and can be written',
      { cause },
    );
  }
}
