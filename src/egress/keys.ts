/** Keys of a policy, in the order in which the manual lists them. */
export const policyKeys = [
  'mode',
  'preset',
  'allow',
  'allowPrivate',
  'deny',
  'verifyNames',
  'allowLocalNetworks',
  'hostAccess',
  'hostPorts',
  'isolation',
  'ingress',
  'ipv6',
  'refreshIntervalMinutes',
  'dns',
  'onDeny',
  'audit',
  'exclusive',
  'maxConnections',
  'quota',
  'maxGrants',
  'record',
] as const;

/** Modes of a policy, from the widest to the narrowest. */
export const policyModes = ['open', 'restricted', 'allowlist'] as const;

/** Keys of a network that say which policy a container has, beside a policy's own. */
export const choiceKeys = ['policy', 'selectable'] as const;
