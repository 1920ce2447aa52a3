import { policyTable } from './key-table.ts';

/** Keys of a policy, in the order in which the manual lists them. */
export const policyKeys = Object.keys(policyTable) as readonly (keyof typeof policyTable)[];

/** Modes of a policy, from the widest to the narrowest. */
export const policyModes = policyTable.mode.values;

/** Keys of a network that say which policy a container has, beside a policy's own. */
export const choiceKeys = ['policy', 'selectable'] as const;
