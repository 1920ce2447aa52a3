import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { parsePluginConf } from '../../egress/conf.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import { findMissing } from '../../records/check.ts';
import { attachmentKey, describeAttachment } from '../../records/key.ts';
import { readOwnRecord } from '../../records/store.ts';
import { differencesOfFirewalls } from '../../records/firewalls.ts';
import { withoutPolicy } from '../../records/sections/egress.ts';
import { upkeep } from '../../records/upkeep.ts';
import { findInterface } from './interface.ts';
import { errorWithoutRecord } from '../without-record.ts';

/**
 * Compares what is in the kernel with what the attachment's policy compiles to, and the enforced addresses with those
 * that the container has by prevResult. Throws code 3 when there is no policy on record, 104 when it is not in force.
 */
export async function check(request: AttachmentRequest): Promise<void> {
  parsePluginConf(request.config.raw, loadOwnPresets());
  const record = readOwnRecord(attachmentKey(request.id));
  if (record?.egress === undefined)
    throw await errorWithoutRecord(request, { part: 'the policy of', code: codes.policyNotEnforced });

  const { egress } = record;
  const [found, missing, unguarded, firewalls] = await Promise.all([
    findInterface(request, record.link),
    findMissing(record),
    upkeep.egress.differences?.(egress, record, request) ?? [],
    differencesOfFirewalls(record),
  ]);
  const unenforced = withoutPolicy(egress, found.addresses);
  const differences = [
    ...unenforced.map((address) => `the address ${address} of the container has no policy`),
    ...missing.map((what) => `missing in nftables: ${what}`),
    ...unguarded,
    ...firewalls,
  ];
  const [first] = differences;
  if (first === undefined) return;
  const more = differences.length === 1 ? '' : ` (and ${differences.length - 1} more)`;
  throw new CniError(
    codes.policyNotEnforced,
    `The policy of ${describeAttachment(request.id)} is not in force as ADD put it: ${first}${more}`,
    differences.join('; '),
  );
}
