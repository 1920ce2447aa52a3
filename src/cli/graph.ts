import { writeFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { valueOf, type Invocation } from './command.ts';
import { readPicture } from './graph/model.ts';
import { drawSvg } from './graph/svg.ts';
import { drawDot, drawMermaid, drawText } from './graph/text.ts';
import { printJson, type Terminal } from './terminal.ts';
import { systemReason } from '../text/system-error.ts';

const drawings = { svg: drawSvg, dot: drawDot, mermaid: drawMermaid, text: drawText } as const;

/** The host's networks, containers, ports and policies as a picture. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const file = valueOf(invocation, 'output');
  if (options['html'] === true) {
    const { keptPage } = await import('./ui/kept-page.ts');
    write(await keptPage(), file, terminal);
    return 0;
  }
  const picture = await readPicture();
  if (options['json'] === true) {
    printJson(terminal, picture);
    return 0;
  }
  const format = (valueOf(invocation, 'format') ?? 'svg') as keyof typeof drawings;
  write(drawings[format](picture), file, terminal);
  return 0;
}

function write(drawn: string, file: string | undefined, { out }: Terminal): void {
  if (file === undefined) out(drawn);
  else save(file, `${drawn}\n`);
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
