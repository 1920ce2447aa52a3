import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { CniError, codes } from '../cni/errors.ts';
import { findProgram, runForeground } from './run.ts';

/**
 * What a person makes of a text in their editor: $VISUAL, $EDITOR, or the first of the usual ones. `name` is the
 * file's, by which editors know its language. Throws code 100 when there is no editor, or it fails.
 */
export function editText(text: string, name: string): string {
  const asked = process.env['VISUAL'] ?? process.env['EDITOR'] ?? '';
  const words = asked.split(' ').filter((word) => word !== '');
  const [program = ['editor', 'nano', 'vi'].find((one) => findProgram(one) !== undefined), ...args] = words;
  if (program === undefined)
    throw new CniError(codes.commandFailed, 'Cannot find an editor', 'Name one in EDITOR, as in "EDITOR=nano"');
  const folder = mkdtempSync(`${tmpdir()}/drawbridge-`);
  try {
    const file = `${folder}/${name}`;
    writeFileSync(file, text, { mode: 0o600 });
    const exitCode = runForeground(program, [...args, file]);
    if (exitCode !== 0)
      throw new CniError(
        codes.commandFailed,
        `The editor "${program}" ended with status ${exitCode}: nothing was changed`,
      );
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
