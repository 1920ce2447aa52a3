import { readFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { systemReason } from '../text/system-error.ts';
import { isMissing, replaceFile } from './files.ts';

/**
 * Writes a file under another name and renames it; its folder is made when it is missing. Throws code 5 with `failure`.
 */
export function writeWhole(file: string, text: string, failure: string): void {
  try {
    replaceFile(file, text);
  } catch (error) {
    throw new CniError(
      codes.ioFailure,
      failure,
      `${systemReason(error)}: make the folder writable for root, and free space on its file system`,
      { cause: error },
    );
  }
}

/** Text of a file; undefined when it is not there. */
export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new CniError(codes.ioFailure, `Cannot read "${file}"`, systemReason(error), { cause: error });
  }
}
