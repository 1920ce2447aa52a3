import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { familiesIn } from '../../ipam/ranges.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { servedBy } from '../../ports/mapping.ts';
import { groupOfNetwork, hostInterfaceOf, hostTapNameOf } from '../../records/key.ts';
import type { AttachmentRecord, IpamRecord, LinkRecord, PodRecord } from '../../records/record.ts';
import { beginRecord } from '../attachment.ts';
import type { InterfaceConf } from './conf.ts';
import { expectsPolicy } from './expected-policy.ts';

/** A record that has its link. */
export type LinkedRecord = AttachmentRecord & { readonly link: LinkRecord };

/**
 * The record with which an ADD of the interface plugin claims the attachment and its ports: what is known before there
 * are addresses. Throws code 8 when the namespace is not there.
 */
export function begunRecord(request: AttachmentRequest, conf: InterfaceConf): LinkedRecord {
  const base = beginRecord(request);
  const { hostTap } = conf.link;
  const hostInterface = hostTap === undefined ? hostInterfaceOf(base.key) : (hostTap.name ?? hostTapNameOf(base.key));
  return {
    ...base,
    link: {
      ...(conf.link.routed ? { group: groupOfNetwork(base.network) } : { bridge: conf.link.bridge }),
      // Nothing is in force before there are addresses, and with them it is known whether there is a gateway.
      ingressInterface: conf.link.routed ? hostInterface : conf.link.bridge,
      hostInterface,
      mac: conf.mac ?? hardwareAddressOf(base.key),
      mtu: 0,
      addresses: [],
      enforced: conf.egress !== undefined || expectsPolicy({ network: base.network, conf: request.config.raw }),
      masquerade: conf.ipMasq,
      macspoofchk: conf.link.macspoofchk,
      ports: conf.ipam.kind === 'host-local' ? servedBy(conf.ports, familiesIn(conf.ipam.conf)).served : conf.ports,
      snat: conf.snat,
      ...(conf.noMasquerade.length === 0 ? {} : { noMasquerade: conf.noMasquerade }),
      ipam: ipamRecord(request, conf.ipam),
      settings: conf.link,
      conf: withoutPrevResult(request.config.raw),
    },
    ...(conf.isPod ? { pod: podOf(request) } : {}),
  };
}

/** Throws code 4 where the runtime does not say which pod it is. */
function podOf({ args: { pairs } }: AttachmentRequest): PodRecord {
  const namespace = pairs.get('K8S_POD_NAMESPACE') ?? '';
  const name = pairs.get('K8S_POD_NAME') ?? '';
  if (namespace === '' || name === '')
    throw new CniError(
      codes.invalidEnvironment,
      'Cannot tell which pod this is: "CNI_ARGS" has no "K8S_POD_NAMESPACE" and "K8S_POD_NAME"',
      'The conf says "kubernetes": true, so its network is for pods of a kubelet alone; use another list for other containers',
    );
  return { namespace, name, uid: pairs.get('K8S_POD_UID') ?? '', addresses: [] };
}

function ipamRecord({ path }: AttachmentRequest, ipam: InterfaceConf['ipam']): IpamRecord {
  switch (ipam.kind) {
    case 'none':
      return { type: '' };
    case 'host-local':
      return { type: 'host-local', dataDir: ipam.conf.dataDir };
    case 'delegated':
      return { type: ipam.type, path };
  }
}

function withoutPrevResult(raw: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => key.toLowerCase() !== 'prevresult'));
}
