import { findLink } from '../../../host/interfaces.ts';
import type { AttachmentRecord, IngressPolicyRecord } from '../../record.ts';
import { hostInterfacesOf } from '../../sections.ts';
import type { Upkeep } from './upkeep.ts';

/** Its rules are nearly all that there is of it; that its port is isolated goes with the port. */
export const ingressPolicy: Upkeep<IngressPolicyRecord> = {
  differences: async ({ policy }, record) => (policy === 'isolated' ? openPorts(record) : []),
};

/** Of the port of another plugin's bridge nothing is on record, unless another section has it. */
function openPorts(record: AttachmentRecord): string[] {
  return hostInterfacesOf(record)
    .filter((name) => {
      const port = findLink(name);
      return port?.portState !== undefined && !port.isolated;
    })
    .map((name) => `the bridge does not isolate the port "${name}"`);
}
