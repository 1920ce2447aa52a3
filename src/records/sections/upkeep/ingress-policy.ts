import type { IngressPolicyRecord } from '../../record.ts';
import type { Upkeep } from './upkeep.ts';

/** Its rules are all that there is of it; that its port is isolated goes with the port. */
export const ingressPolicy: Upkeep<IngressPolicyRecord> = {};
