import { asOurs } from '../host/firewall/ruleset-state.ts';
import { applyTransaction, type Outcome } from '../host/nft.ts';
import { commitElements } from '../host/netlink/nftables/commit.ts';
import { elementChanges } from './element-bytes.ts';
import { stepsText, type ElementStep } from './transaction.ts';

/**
 * Commits elements as one transaction: in this process, in a tenth of a millisecond, or with nft where that cannot be.
 *
 * Throws code 100 when they are refused.
 */
export async function commitSteps(steps: readonly ElementStep[]): Promise<Outcome> {
  const changes = elementChanges(steps);
  const outcome = changes === undefined ? undefined : await asOurs(async () => commitElements(changes));
  return outcome ?? applyTransaction(stepsText(steps));
}
