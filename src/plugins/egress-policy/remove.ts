import { applyBatch, BatchError } from '../../host/ip.ts';
import { netnsExists } from '../../host/netns.ts';
import { commit } from '../../records/commit.ts';
import { warn } from '../warnings.ts';
import { closeGate, type PolicedRecord } from './enforce.ts';
import { rememberedElements } from './names.ts';

/**
 * Takes the policy from an attachment that is being removed. Its interface goes with the plugin before us in the
 * chain, so until then it is taken down: a container without its policy reaches nothing, not everything.
 */
export async function removePolicy(record: PolicedRecord): Promise<void> {
  const { egress, ...rest } = record;
  if (netnsExists(record.netns)) await takeDown(egress.port ?? egress.ingressInterface);
  const { warnings } = await commit(record.link === undefined ? { drop: record.key } : { put: rest }, { timed: rememberedElements });
  warnings.forEach(warn);
  await closeGate(egress.ingressInterface, record.key);
}

async function takeDown(port: string): Promise<void> {
  try {
    await applyBatch([`link set dev ${port} down`]);
  } catch (error) {
    if (!(error instanceof BatchError && error.reason === 'missing')) throw error;
  }
}
