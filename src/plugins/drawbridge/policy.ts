import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { parseEgressConf } from '../../egress/conf.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import type { ChosenPolicy } from '../../egress/load-policy.ts';
import { openNames, type OpenName } from '../../egress/names-open.ts';
import { choosePolicy } from '../egress-policy/policy.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import { warn } from '../../cni/warn.ts';
import type { InterfaceConf } from './conf.ts';

/** A policy that is checked, and its names, which are being resolved while links are made. */
export interface PreparedPolicy {
  readonly chosen: ChosenPolicy;
  readonly names: Promise<readonly OpenName[]>;
}

/** Reads the policy of the conf's "egress"; undefined when it has none. Throws code 7 before anything is touched. */
export async function preparePolicy(
  request: AttachmentRequest,
  conf: InterfaceConf,
): Promise<PreparedPolicy | undefined> {
  if (conf.egress === undefined) return undefined;
  refuseEgressWithoutAddresses(conf);
  const egress = parseEgressConf(conf.egress.value, 'egress', loadOwnPresets(), hostNetworks());
  const chosen = await choosePolicy(egress, request);
  return { chosen, names: resolved(chosen) };
}

/** Throws code 7 for an interface with a policy and without addresses that it could be tied to. */
export function refuseEgressWithoutAddresses({ egress, ipam }: InterfaceConf): void {
  if (egress === undefined || ipam.kind !== 'none') return;
  throw new CniError(
    codes.invalidConfig,
    'Cannot use "egress" without addresses: the conf has no "ipam"',
    'A policy is tied to addresses: give the interface plugin an "ipam"',
  );
}

/** Never throws, so that it may wait to be looked at. */
async function resolved({ policy }: ChosenPolicy): Promise<readonly OpenName[]> {
  const names = await openNames(policy, { onLink: hostNetworks() });
  names.flatMap(({ problems }) => problems).forEach(warn);
  return names;
}
