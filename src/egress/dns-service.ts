import type { Policy, PortRule } from './policy.ts';

/**
 * Whether the agent answers DNS of containers under a policy, whatever server they ask. It is a service on the gateway,
 * so a policy that keeps the container from port 53 of the host is obeyed, and then nothing is redirected.
 *
 * A list without names that opens port 53 of some address itself says which server is meant.
 */
export function isAnsweredByAgent(policy: Policy): boolean {
  const { mode, names, audit, hostAccess, hostPorts } = policy;
  if (mode !== 'allowlist' || hostAccess === 'none') return false;
  if (hostAccess !== 'all' && !hostPorts.some(takesDns)) return false;
  return names.length > 0 || audit || ![...policy.allow, ...policy.allowPrivate].some(takesDns);
}

/**
 * Whether the agent answers every name: in modes that open addresses and not names, and under a list without names
 * whose conf writes port 53 of the host out. Where it does not, DNS leads nowhere but to the names of the list.
 */
export function answersEveryName({ mode, names, audit, hostDns }: Policy): boolean {
  return mode !== 'allowlist' || (hostDns === true && names.length === 0 && !audit);
}

/** Whether a container under a list without names can ask any name, as long as no agent answers it. */
export function isDnsWayOut(policy: Policy): boolean {
  return policy.mode === 'allowlist' && policy.names.length === 0 && isAnsweredByAgent(policy);
}

/** Whether a rule opens DNS by UDP. */
export function takesDns({ protocol, ports }: PortRule): boolean {
  return (protocol === 'any' || protocol === 'udp') && (ports === undefined || (ports.from <= 53 && ports.to >= 53));
}
