import { CniError, codes } from '../cni/errors.ts';
import { marksInForce } from '../egress/load-marks.ts';
import { marksProblem, ownMarks } from '../egress/marks.ts';
import { readText, writeWhole } from '../host/state-file.ts';

/**
 * Notes the bits of marks that what is made from now on has, for every process until the next boot. Called under the
 * lock of the tables. Throws code 7 when the operator's file says nothing that can be used, 11 when another process has
 * noted others since this one began, 5 when it cannot be written.
 */
export function pinMarks(): void {
  const noted = readText(marksInForce);
  if (noted === ownMarks) return;
  if (marksProblem !== undefined) throw marksProblem;
  if (noted !== undefined)
    throw new CniError(
      codes.tryAgainLater,
      `Cannot write the tables of rules: "${marksInForce}" has other bits of marks by now than this process began with`,
      'Try again; restart the agent',
    );
  writeWhole(marksInForce, ownMarks, 'Cannot note which bits of marks are in force');
}
