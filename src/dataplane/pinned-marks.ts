import { rmSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { marksInForce } from '../egress/load-marks.ts';
import { nat64InForce } from '../egress/load-nat64.ts';
import { marksProblem, ownMarks } from '../egress/marks.ts';
import { nat64Problem, ownNat64 } from '../egress/nat64.ts';
import { systemReason } from '../text/system-error.ts';
import { readText, writeWhole } from '../host/state-file.ts';

/**
 * Looks whether tables may be written with the bits of marks and the prefixes of NAT64 that this process has. Called
 * under the lock of the tables. Throws code 7 when an operator's file says nothing that can be used, 11 when others are
 * in force.
 */
export function refuseOtherMarks(): void {
  const noted = readText(marksInForce);
  const prefixes = readText(nat64InForce) ?? '';
  if (noted === ownMarks && prefixes === ownNat64) return;
  const problem = noted === ownMarks ? nat64Problem : (marksProblem ?? nat64Problem);
  if (problem !== undefined) throw problem;
  if (noted === undefined) return;
  if (noted === ownMarks)
    throw new CniError(
      codes.tryAgainLater,
      `Cannot write the tables of rules: "${nat64InForce}" has other prefixes of NAT64 by now than this process began with`,
      'Try again; restart the agent',
    );
  throw new CniError(
    codes.tryAgainLater,
    `Cannot write the tables of rules: "${marksInForce}" has other bits of marks by now than this process began with`,
    'Try again; restart the agent',
  );
}

/**
 * Notes the bits and prefixes that the tables were written with, for every process until the last container is gone.
 * Throws code 5 when it cannot be written.
 */
export function noteMarks(): void {
  if ((readText(nat64InForce) ?? '') !== ownNat64)
    writeWhole(nat64InForce, ownNat64, 'Cannot note which prefixes of NAT64 are in force');
  if (readText(marksInForce) !== ownMarks)
    writeWhole(marksInForce, ownMarks, 'Cannot note which bits of marks are in force');
}

/** Forgets them, with the tables. Throws code 5 when the file cannot be removed. */
export function unpinMarks(): void {
  for (const file of [marksInForce, nat64InForce])
    try {
      rmSync(file, { force: true });
    } catch (error) {
      throw new CniError(codes.ioFailure, `Cannot remove "${file}"`, systemReason(error), { cause: error });
    }
}
