import { CniError } from '../../cni/errors.ts';
import { nat64File, nat64InForce, readNat64 } from '../../egress/load-nat64.ts';
import { nat64Problem, ownNat64 } from '../../egress/nat64.ts';
import { nat64Text } from '../../egress/nat64-prefixes.ts';
import type { Check, Trouble } from './check.ts';

/** Whether the operator's prefixes of NAT64 are understood, and in force. */
export const nat64Check: Check = {
  name: 'nat64',
  about: 'prefixes of NAT64',
  run: async ({ attachments }) => {
    if (nat64Problem !== undefined) return [refused(nat64Problem)];
    try {
      const listed = nat64Text(readNat64() ?? []);
      return attachments.length === 0 || listed === ownNat64 ? [] : [waiting];
    } catch (error) {
      if (error instanceof CniError) return [refused(error)];
      throw error;
    }
  },
};

function refused(error: CniError): Trouble {
  return {
    severity: 'problem',
    found: error.message,
    why: 'the first container of the host cannot be added until it is understood, or gone',
    remedy: error.details ?? `mend or remove ${nat64File}`,
    isAdvice: true,
  };
}

const waiting: Trouble = {
  severity: 'notice',
  found: `"${nat64File}" lists other prefixes of NAT64 than are in force (${nat64InForce})`,
  why: 'the rules that stand were made with those: a change holds when there is no container any more',
  remedy: 'remove all containers, or reboot; restart the agent',
  isAdvice: true,
};
