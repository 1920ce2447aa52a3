import { attachmentKey, hostInterfaceOf } from '../../src/records/key.ts';
import type { PortMapping } from '../../src/ports/mapping.ts';
import type { AttachmentRecord, LinkRecord } from '../../src/records/record.ts';

export interface SampleOptions {
  network?: string;
  containerId?: string;
  ifname?: string;
  state?: 'adding' | 'ready';
  createdAt?: string;
  netns?: string;
  netnsInode?: string;
  link?: Partial<LinkRecord>;
}

/** A record of an attachment to bridge "drawbridge0", as ADD leaves it. */
export function sample({
  network = 'drawbridge',
  containerId = 'c1',
  ifname = 'eth0',
  state = 'ready',
  ...rest
}: SampleOptions = {}): AttachmentRecord {
  const key = attachmentKey({ network, containerId, ifname });
  return {
    version: 2,
    key,
    network,
    containerId,
    ifname,
    netns: rest.netns ?? `/run/netns/${containerId}`,
    netnsInode: rest.netnsInode ?? '4:1',
    createdAt: rest.createdAt ?? '2026-01-01T00:00:00.000Z',
    state,
    link: {
      bridge: 'drawbridge0',
      ingressInterface: rest.link?.bridge ?? 'drawbridge0',
      hostInterface: hostInterfaceOf(key),
      mac: '02:00:5e:00:53:02',
      mtu: 1500,
      addresses: [
        { address: '10.88.0.2/16', gateway: '10.88.0.1' },
        { address: 'fd00:88::2/64', gateway: 'fd00:88::1' },
      ],
      masquerade: true,
      macspoofchk: false,
      ports: [],
      ipam: { type: 'host-local' },
      conf: {},
      ...rest.link,
    },
  };
}

/** A published port, tcp and on every address unless told otherwise. */
export function mapping(hostPort: number, containerPort: number, rest: Partial<PortMapping> = {}): PortMapping {
  return { protocol: 'tcp', families: [4, 6], hostPort, containerPort, ...rest };
}

/** The nth container of a network: 10.88.0.2 and fd00:88::2 is the first. */
export function numbered(n: number, options: SampleOptions = {}): AttachmentRecord {
  const host = n + 1;
  return sample({
    containerId: `c${n}`,
    ...options,
    link: {
      addresses: [{ address: `10.88.${host >> 8}.${host & 255}/16` }, { address: `fd00:88::${host.toString(16)}/64` }],
      ...options.link,
    },
  });
}
