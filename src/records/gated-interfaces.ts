import type { GatedInterface } from '../dataplane/gate.ts';
import type { AttachmentRecord, EgressRecord } from './record.ts';

/** The interface whose gate keeps a container in. */
export function gatedInterface({ ingressInterface, vlanGateway, port, mac, addresses }: EgressRecord): GatedInterface {
  return {
    name: ingressInterface,
    ...(vlanGateway === undefined ? {} : { bridge: vlanGateway.bridge }),
    isBridge: port !== undefined && mac !== undefined,
    ports: port === undefined ? [] : [port],
    ...(port === undefined ? { addresses } : {}),
  };
}

/** The interfaces that have enforced containers behind them, each once. */
export function gatedInterfaces(records: readonly AttachmentRecord[]): GatedInterface[] {
  const all = records.flatMap(({ egress }) => (egress === undefined ? [] : [gatedInterface(egress)]));
  return [...Map.groupBy(all, ({ name }) => name).values()].flatMap((same) =>
    same.slice(0, 1).map((gated) => ({
      ...gated,
      ports: same.flatMap(({ ports = [] }) => ports),
      addresses: same.flatMap(({ addresses = [] }) => addresses),
    })),
  );
}
