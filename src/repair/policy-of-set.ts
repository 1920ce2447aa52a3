/** The id of the policy that a set of names belongs to; "" for any other set. They are named by egress/compile.ts. */
export function policyOfSet(set: string): string {
  return /^policy_(.+)_names[46]/.exec(set)?.[1] ?? '';
}
