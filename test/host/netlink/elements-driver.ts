/**
 * Commits each list of steps of the JSON on stdin, in its own way, and prints what became of it. Run by bun in a
 * private host.
 */
import { readFileSync } from 'node:fs';
import { applyTransaction } from '../../../src/host/nft.ts';
import { commitRuleset } from '../../../src/host/netlink/nftables/commit.ts';
import { rulesetChanges } from '../../../src/dataplane/element-bytes.ts';
import { stepsText, type Step } from '../../../src/dataplane/transaction.ts';

export interface Commitment {
  readonly way: 'netlink' | 'nft';
  readonly steps: readonly Step[];
}

const outcomes: unknown[] = [];
for (const { way, steps } of JSON.parse(readFileSync(0, 'utf8')) as Commitment[])
  outcomes.push(await commit(way, steps).catch((error: Error) => error.message));
console.log(JSON.stringify(outcomes));

async function commit(way: Commitment['way'], steps: readonly Step[]): Promise<string> {
  if (way === 'nft') return applyTransaction(stepsText(steps));
  const changes = rulesetChanges(steps);
  return changes === undefined ? 'not understood' : (commitRuleset(changes) ?? 'no kernel');
}
