import { accessSync, constants, mkdirSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { tryLayout } from '../dataplane/kernel-parts.ts';
import { findProgram } from '../host/run.ts';
import { systemReason } from '../text/system-error.ts';

/** Packages that programs come from, for the advice. */
const packages = { ip: 'iproute2', tc: 'iproute2', nsenter: 'util-linux', nft: 'nftables' };

/** What STATUS throws: code 50. */
export function notAvailable(why: string, details?: string): CniError {
  return new CniError(codes.notAvailable, `Cannot add containers: ${why}`, details);
}

/** Throws code 50 for the first program that is missing. */
export function requirePrograms(names: readonly (keyof typeof packages)[]): void {
  for (const name of names) {
    if (findProgram(name) === undefined)
      throw notAvailable(`"${name}" is not installed`, `Install the package "${packages[name]}"`);
  }
}

/** Throws code 50 for a folder that cannot be written. Making it is what the first ADD does too. */
export function requireFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw notAvailable(`"${folder}" cannot be written: ${systemReason(error)}`, 'Make it a writable folder');
  }
}

/** Throws code 50 when the kernel or the program for rules does not take ours, or what `attempt` tries of them. */
export async function requireRules(attempt: () => Promise<void> = tryLayout): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    throw notAvailable((error as Error).message, error instanceof CniError ? error.details : undefined);
  }
}
