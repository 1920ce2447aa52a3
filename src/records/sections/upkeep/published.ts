import { warn } from '../../../cni/warn.ts';
import { forgetUdpFlows } from '../../../host/conntrack.ts';
import type { PublishedRecord } from '../../record.ts';
import type { Upkeep } from './upkeep.ts';

export const published: Upkeep<PublishedRecord> = {
  forget: async ({ ports }) => (await forgetUdpFlows(ports.filter(({ protocol }) => protocol === 'udp'))).forEach(warn),
};
