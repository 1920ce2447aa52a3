import { familyOf } from '../../ip/family.ts';
import type { Element } from '../../nft/element.ts';
import type { PodRecord } from '../../records/record.ts';

/** What says that an address is a pod's, whatever policies it has (dataplane/pods/pod-group.ts). */
export function podElements({ addresses }: PodRecord): Element[] {
  return addresses.flatMap((address): Element[] => {
    const n = familyOf(address);
    return [
      { table: 'inet drawbridge', set: `pods${n}`, key: [address] },
      { table: 'inet drawbridge', set: `pods_self${n}`, key: [address, address] },
    ];
  });
}
