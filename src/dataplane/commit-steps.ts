import { asOurs } from '../host/firewall/ruleset-state.ts';
import { applyTransaction, type Outcome } from '../host/nft.ts';
import { tell } from '../host/run.ts';
import { begin } from '../host/trace.ts';
import { commitRuleset } from '../host/netlink/nftables/commit.ts';
import { rulesetChanges } from './element-bytes.ts';
import { stepsText, type Step } from './transaction.ts';

/**
 * Commits steps as one transaction: in this process, in a fraction of a millisecond, or with nft where that cannot be.
 *
 * Throws code 100 when they are refused.
 */
export async function commitSteps(steps: readonly Step[]): Promise<Outcome> {
  const text = (): string => stepsText(steps);
  const changes = rulesetChanges(steps);
  if (changes !== undefined) {
    const end = begin('netlink', () => ({ command, input: text() }));
    const outcome = await asOurs(async () => commitRuleset(changes));
    end();
    if (outcome !== undefined) {
      tell(command, text);
      return outcome;
    }
  }
  return applyTransaction(text());
}

/** What a person would run, for the timeline and DRAWBRIDGE_VERBOSE. */
const command = 'nft -f -';
