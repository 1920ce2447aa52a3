/** Whether first bytes of connections are looked at (agent/first-bytes/). */
import { lookedFor } from './deny-names.ts';
import type { Policy } from './policy.ts';

/** Whether connections are looked into: those that a name alone opens, or may not have. An audit holds nothing up. */
export function checksNames(policy: Policy): boolean {
  return checksOpening(policy) || lookedFor(policy).length > 0;
}

/** Whether a connection that a name alone opens has to ask for an allowed one. */
export function checksOpening({ verifyNames, mode, names, audit }: Policy): boolean {
  return verifyNames && !audit && mode === 'allowlist' && names.some(({ unchecked }) => unchecked !== true);
}
