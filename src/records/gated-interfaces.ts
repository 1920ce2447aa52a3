import type { GatedInterface } from '../dataplane/gate.ts';
import type { AttachmentRecord, EgressRecord } from './record.ts';
import { enforcedInterfacesOf, hostInterfacesOf } from './sections.ts';
import { hostSideOf } from './sections/link.ts';

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

/** The bridge whose gate keeps in a container that waits for its policy, or has just lost it; none of any other. */
export function awaitingPolicy(record: AttachmentRecord): GatedInterface[] {
  const vlanGateway = record.link === undefined ? undefined : hostSideOf(record.link).vlanGateway;
  return enforcedInterfacesOf(record).map((name) => ({
    name,
    ...(vlanGateway === undefined ? {} : { bridge: vlanGateway.bridge }),
    isBridge: true,
    ports: hostInterfacesOf(record),
  }));
}

/** The interfaces that have enforced containers behind them, each once. */
export function gatedInterfaces(records: readonly AttachmentRecord[]): GatedInterface[] {
  const all = records.flatMap((record) =>
    record.egress === undefined ? awaitingPolicy(record) : [gatedInterface(record.egress)],
  );
  return [...Map.groupBy(all, ({ name }) => name).values()].flatMap((same) =>
    same.slice(0, 1).map((gated) => ({
      ...gated,
      ports: same.flatMap(({ ports = [] }) => ports),
      addresses: same.flatMap(({ addresses = [] }) => addresses),
    })),
  );
}
