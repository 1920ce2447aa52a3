/**
 * Networks of the host with public addresses, which policies close as they close private ones: what the host has, and
 * what our tables hold of it.
 *
 *   /run/drawbridge/networks.json    ["203.0.113.0-203.0.113.6", …]   what the sets "onlink4" and "onlink6" hold
 *
 * Read and written under the lock of the tables. A process that is killed between a transaction and this file leaves it
 * behind the truth: the next change fails then, and the tables are written anew.
 */
import { readFileSync, rmSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { closedRuns, onLinkNetworks, type OnLinkNetwork } from '../egress/on-link.ts';
import { replaceFile } from '../host/files.ts';
import { readNetworks } from '../host/networks.ts';
import { runDir } from '../host/paths.ts';
import { familyOf } from '../ip/family.ts';
import type { Element } from '../nft/element.ts';
import { systemReason } from '../text/system-error.ts';
import type { Change } from './transaction.ts';

const file = `${runDir}/networks.json`;

/** Such networks of the host, as it is now. */
export function hostNetworks(): OnLinkNetwork[] {
  const { addresses, others } = readNetworks();
  return onLinkNetworks(addresses, others);
}

/** What it takes to have our tables say `networks`. */
export function onLinkChange(networks: readonly OnLinkNetwork[]): Pick<Change, 'drop' | 'put'> {
  const [held, wanted] = [heldRuns(), networks.flatMap(closedRuns)];
  return {
    drop: elementsOf(held.filter((run) => !wanted.includes(run))),
    put: elementsOf(wanted.filter((run) => !held.includes(run))),
  };
}

export function onLinkElements(networks: readonly OnLinkNetwork[]): Element[] {
  return elementsOf(networks.flatMap(closedRuns));
}

/** Whether our tables hold these networks and no others, as far as that was noted. */
export function isNoted(networks: readonly OnLinkNetwork[]): boolean {
  return JSON.stringify(heldRuns()) === JSON.stringify(networks.flatMap(closedRuns));
}

/** Notes what our tables hold now. Throws code 5. */
export function noteNetworks(networks: readonly OnLinkNetwork[]): void {
  if (isNoted(networks)) return;
  try {
    if (networks.length === 0) rmSync(file, { force: true });
    else replaceFile(file, JSON.stringify(networks.flatMap(closedRuns)));
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot write "${file}": ${systemReason(error)}`, undefined, { cause: error });
  }
}

function elementsOf(runs: readonly string[]): Element[] {
  return runs.map((run) => ({
    table: 'inet drawbridge',
    set: `onlink${familyOf(run)}`,
    key: [run],
  }));
}

/** A note that cannot be read is worth none: what it leads to fails, and the tables are written anew. */
function heldRuns(): string[] {
  try {
    const noted: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(noted) ? noted.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}
