import { showJson } from '../../host/ip.ts';
import { removeVeth } from '../../host/veth.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { allStandingParts, forgetGate, removePart } from '../../records/gates.ts';
import { listRecords } from '../../records/store.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { Finding, Known } from './finding.ts';

/** Host ends of veth pairs that are ours, by name and MAC, and that no record names. */
export async function findInterfaces({ records }: Known): Promise<Finding[]> {
  const shown = ((await showJson(['link', 'show', 'type', 'veth'])) ?? []) as {
    ifname: string;
    address: string;
    master?: string;
  }[];
  const isKnown = namedBy(records);
  return shown
    .filter(
      ({ ifname, address }) =>
        /^veth[0-9a-f]{11}$/.test(ifname) && address === hardwareAddressOf(ifname) && !isKnown(ifname),
    )
    .map(({ ifname, master }) => {
      const base = { kind: 'interface', name: ifname } as const;
      if (master !== undefined)
        return {
          ...base,
          why: `no record says whose it is, but it is on bridge "${master}": a container may still use it; its runtime's DEL removes it`,
        };
      return {
        ...base,
        why: 'no record says whose it is, and it is on no bridge',
        remove: async () => {
          if (namedBy(listRecords().records)(ifname)) return false;
          await removeVeth(ifname);
          return true;
        },
      };
    });
}

/** Routing rules that shut a bridge without rules of ours, for bridges that have no enforced container. */
export async function findGates({ records }: Known): Promise<Finding[]> {
  const enforced = enforcedInterfaces(records);
  const parts = await allStandingParts();
  return parts
    .filter((part) => !enforced.has(part.interface))
    .map((part) => ({
      kind: 'gate',
      name: `${part.interface} (${part.kind})`,
      why: `no container with a policy is behind "${part.interface}"`,
      remove: async () => {
        if (enforcedInterfaces(listRecords().records).has(part.interface)) return false;
        forgetGate(part.interface);
        await removePart(part);
        return true;
      },
    }));
}

function enforcedInterfaces(records: readonly AttachmentRecord[]): Set<string> {
  return new Set(
    records.flatMap(({ egress, link }) => [
      ...(egress === undefined ? [] : [egress.ingressInterface]),
      ...(link?.enforced === true ? [link.bridge] : []),
    ]),
  );
}

function namedBy(records: readonly AttachmentRecord[]): (name: string) => boolean {
  const names = new Set(records.flatMap(({ link, egress }) => [link?.hostInterface, egress?.port]));
  return (name) => names.has(name);
}
