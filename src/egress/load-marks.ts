import { CniError, codes } from '../cni/errors.ts';
import { isMissing } from '../host/files.ts';
import { systemReason } from '../text/system-error.ts';
import { NotReadableError, readRegularFile } from './load-file.ts';
import { parseMarks, usualMarks, type MarkBits } from './mark-bits.ts';

/** Where an operator chooses bits. */
export const marksFile = '/etc/drawbridge/marks';

/**
 * The bits that what stands in the kernel was made with, of the same form: they hold while there are containers, since
 * the parts of a gate are known by them.
 */
export const marksInForce = '/run/drawbridge/marks';

const longestFile = 4096;

/** What a process goes by; `problem` where the operator's file cannot be used. */
export interface LoadedMarks {
  readonly bits: MarkBits;
  readonly problem?: CniError;
}

/** Reads which bits are ours. Never throws. */
export function loadMarks(): LoadedMarks {
  try {
    const inForce = readMarks(marksInForce);
    return { bits: inForce ?? readMarks(marksFile) ?? parseMarks(usualMarks, '') };
  } catch (error) {
    return { bits: parseMarks(usualMarks, ''), problem: error as CniError };
  }
}

/** The bits of a file; undefined when it is not there. Throws code 7 for what it says, 5 where it cannot be read. */
export function readMarks(file: string): MarkBits | undefined {
  const text = readOwn(file);
  return text === undefined ? undefined : parseMarks(text, file);
}

/** The text of a small file of the operator's, or of ours; undefined when it is not there. Throws codes 5 and 7. */
export function readOwn(file: string): string | undefined {
  try {
    return readRegularFile(file, longestFile);
  } catch (error) {
    if (isMissing(error)) return undefined;
    const isOdd = error instanceof NotReadableError;
    const why = isOdd ? error.message : systemReason(error);
    throw new CniError(isOdd ? codes.invalidConfig : codes.ioFailure, `Cannot read "${file}": ${why}`, undefined, {
      cause: error,
    });
  }
}
