import { rmSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { marksInForce } from '../egress/load-marks.ts';
import { marksProblem, ownMarks } from '../egress/marks.ts';
import { systemReason } from '../text/system-error.ts';
import { readText, writeWhole } from '../host/state-file.ts';

/**
 * Looks whether tables may be written with the bits of marks that this process has. Called under the lock of the
 * tables. Throws code 7 when the operator's file says nothing that can be used, 11 when others are in force.
 */
export function refuseOtherMarks(): void {
  const noted = readText(marksInForce);
  if (noted === ownMarks) return;
  if (marksProblem !== undefined) throw marksProblem;
  if (noted === undefined) return;
  throw new CniError(
    codes.tryAgainLater,
    `Cannot write the tables of rules: "${marksInForce}" has other bits of marks by now than this process began with`,
    'Try again; restart the agent',
  );
}

/**
 * Notes the bits that the tables were written with, for every process until the last container is gone. Throws code 5
 * when it cannot be written.
 */
export function noteMarks(): void {
  if (readText(marksInForce) !== ownMarks)
    writeWhole(marksInForce, ownMarks, 'Cannot note which bits of marks are in force');
}

/** Forgets them, with the tables. Throws code 5 when the file cannot be removed. */
export function unpinMarks(): void {
  try {
    rmSync(marksInForce, { force: true });
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot remove "${marksInForce}"`, systemReason(error), { cause: error });
  }
}
