import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { parseConfArgs, parseRuntimeConfig } from '../../cni/runtime-config.ts';
import type { EgressConf } from '../../egress/conf.ts';
import { checksNames } from '../../egress/checked-names.ts';
import { defaultConnections } from '../../egress/connections.ts';
import { policyNotices } from '../../egress/describe.ts';
import { policyFor, type ChosenPolicy } from '../../egress/load-policy.ts';
import { policyId } from '../../egress/policy-id.ts';
import { trackedConnections } from '../../host/conntrack-size.ts';
import { notedQueueForm, putQueueRule } from '../../host/queue-rule.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import type { EgressRecord } from '../../records/record.ts';
import { warn } from '../../cni/warn.ts';
import type { EnforcedInterface } from './interface.ts';

/** The policy that holds for a container: the network's, or the one that the container chose among the selectable. */
export async function choosePolicy(conf: EgressConf, { config, args }: AttachmentRequest): Promise<ChosenPolicy> {
  const choices = {
    args: args.pairs,
    labels: parseConfArgs(config.fields).labels,
    annotations: parseRuntimeConfig(config.fields).podAnnotations,
  };
  const onLink = hostNetworks();
  const chosen = await policyFor(conf, choices, { onLink });
  policyNotices(chosen.policy, onLink).forEach(warn);
  if (checksNames(chosen.policy) && notedQueueForm() === undefined && (await putQueueRule()) === undefined)
    throw withoutQueue();
  return chosen;
}

/** The error for a policy that asks for what this host cannot do. */
export function withoutQueue(): CniError {
  return new CniError(
    codes.notAvailable,
    'Cannot check names as "verifyNames" asks: this host has neither the queue of nft nor NFQUEUE of iptables',
    'Load the module nft_queue, or xt_NFQUEUE with the package "iptables"; or leave "verifyNames" out',
  );
}

/** What the record says of an enforced interface. */
export function egressRecord(found: EnforcedInterface, { policy, policyName }: ChosenPolicy): EgressRecord {
  const tracked = trackedConnections();
  return {
    ...found,
    policy,
    policyId: policyId(policy),
    ...(policyName === undefined ? {} : { policyName }),
    ...(tracked === undefined ? {} : { usualConnections: defaultConnections(tracked) }),
  };
}
