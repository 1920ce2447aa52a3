import { sourcesOf } from '../../egress/elements.ts';
import { tryForgetFlowsOf } from '../../host/conntrack.ts';
import { netnsExists } from '../../host/netns.ts';
import { takeDown } from '../../host/veth.ts';
import { commit } from '../../records/commit.ts';
import { closeFirewalls } from '../firewalls.ts';
import { warn } from '../warnings.ts';
import { closeGate, type EnforcedRecord } from './enforce.ts';
import { rememberedElements } from './names.ts';

/**
 * Takes the policy from an attachment that is being removed. Its interface goes with the plugin before us in the
 * chain; until then a container without its policy reaches nothing, not everything: one of our own interface plugin
 * stays enforced, and the port of any other is taken down.
 */
export async function removePolicy(record: EnforcedRecord): Promise<void> {
  const { egress, ...rest } = record;
  if (record.link !== undefined) {
    const { warnings } = await commit(
      { put: { ...rest, link: { ...record.link, enforced: true } } },
      { expiring: rememberedElements, replaces: record },
    );
    warnings.forEach(warn);
    return;
  }
  if (netnsExists(record.netns)) await takeDown(egress.port ?? egress.ingressInterface);
  const release = async (): Promise<void> => closeGate(egress.ingressInterface, record.key);
  // What drop-ins put there is theirs to take away.
  const isShared = [rest.published, rest.ingressPolicy, rest.shaped].some((part) => part !== undefined);
  const { warnings } = isShared
    ? await commit({ put: rest }, { expiring: rememberedElements, replaces: record })
    : await commit({ drop: record.key }, { expiring: rememberedElements, release });
  warnings.forEach(warn);
  (await tryForgetFlowsOf(sourcesOf(egress))).forEach(warn);
  if (isShared) return release();
  await closeFirewalls(egress.ingressInterface, record.key);
}
