import type { AttachmentRequest } from '../../cni/request.ts';
import { parseConfArgs, parseRuntimeConfig } from '../../cni/runtime-config.ts';
import type { EgressConf } from '../../egress/conf.ts';
import { policyNotices } from '../../egress/describe.ts';
import { policyFor, type ChosenPolicy } from '../../egress/load-policy.ts';
import { policyId } from '../../egress/policy-id.ts';
import type { EgressRecord } from '../../records/record.ts';
import { warn } from '../../cni/warn.ts';
import type { EnforcedInterface } from './interface.ts';

/** The policy that holds for a container: the network's, or the one that the container chose among the selectable. */
export async function choosePolicy(conf: EgressConf, { config, args }: AttachmentRequest): Promise<ChosenPolicy> {
  const chosen = await policyFor(conf, {
    args: args.pairs,
    labels: parseConfArgs(config.fields).labels,
    annotations: parseRuntimeConfig(config.fields).podAnnotations,
  });
  policyNotices(chosen.policy).forEach(warn);
  return chosen;
}

/** What the record says of an enforced interface. */
export function egressRecord(found: EnforcedInterface, { policy, policyName }: ChosenPolicy): EgressRecord {
  return { ...found, policy, policyId: policyId(policy), ...(policyName === undefined ? {} : { policyName }) };
}
