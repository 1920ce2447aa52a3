import { locksDns } from './deny-names.ts';
import type { Policy, PortRule } from './policy.ts';

/**
 * Whether the agent answers DNS of containers under a policy, whatever server they ask. It is a service on the gateway,
 * so a policy that keeps the container from port 53 of the host is obeyed, and then nothing is redirected.
 *
 * A list without names that opens port 53 of some address itself says which server is meant. Names that are denied are
 * answered by nobody else, in any mode.
 */
export function isAnsweredByAgent(policy: Policy): boolean {
  const { mode, names, audit } = policy;
  if (!offersDns(policy)) return false;
  if (policy.denyNames !== undefined) return true;
  if (mode !== 'allowlist') return false;
  return names.length > 0 || audit || ![...policy.allow, ...policy.allowPrivate].some(takesDns);
}

/**
 * Whether the agent answers every name: in modes that open addresses and not names, and under a list without names
 * whose conf writes port 53 of the host out. Where it does not, DNS leads nowhere but to the names of the list.
 */
export function answersEveryName({ mode, names, audit, hostDns }: Policy): boolean {
  return mode !== 'allowlist' || (hostDns === true && names.length === 0 && !audit);
}

/** Whether a policy lets its containers ask DNS of the gateway. */
export function offersDns({ hostAccess, hostPorts }: Pick<Policy, 'hostAccess' | 'hostPorts'>): boolean {
  return hostAccess === 'all' || (hostAccess === 'ports' && hostPorts.some(takesDns));
}

/** Whether a container under a list without names can ask any name, as long as no agent answers it. */
export function isDnsWayOut(policy: Policy): boolean {
  const { mode, names } = policy;
  return mode === 'allowlist' && names.length === 0 && !locksDns(policy) && isAnsweredByAgent(policy);
}

/** Whether a rule opens DNS by UDP. */
export function takesDns({ protocol, ports }: PortRule): boolean {
  return (protocol === 'any' || protocol === 'udp') && (ports === undefined || (ports.from <= 53 && ports.to >= 53));
}
