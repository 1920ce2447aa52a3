import { interfacePart, type Element } from '../../nft/element.ts';
import type { EgressRecord } from '../../records/record.ts';

/** What an attachment whose gateway is in a VLAN has in `table bridge drawbridge` for that, policy or none. */
export function vlanGatewayElements(
  { ingressInterface, vlanGateway }: Pick<EgressRecord, 'ingressInterface' | 'vlanGateway'>,
  port: string,
): Element[] {
  if (vlanGateway === undefined) return [];
  const table = 'bridge drawbridge';
  const shared = `vlan-${ingressInterface}`;
  const gateway = interfacePart(vlanGateway.port);
  return [
    { table, set: 'guard_gateways', key: [gateway], shared },
    { table, set: 'guard_vlan_ports', key: [gateway], shared },
    { table, set: 'guard_vlan_ports', key: [interfacePart(port)] },
  ];
}
