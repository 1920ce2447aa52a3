import { chooseMtu, chooseRoutedMtu } from '../../host/bridge.ts';
import { plainNetnsPath } from '../../host/netns.ts';
import { hasIpv6 } from '../../host/sysctl.ts';
import { isolatesPort } from '../../dataplane/elements/egress.ts';
import type { CompleteAddresses } from '../../links/addresses.ts';
import { planBridge, type BridgePlan } from '../../links/bridge.ts';
import { hasRoomForIpv6, requireMtuFor } from '../../links/conf.ts';
import { isPlainWord } from '../../links/plain-word.ts';
import { isTiedToMac, planVeth, type VethPlan } from '../../links/veth.ts';
import type { LinkedRecord } from './begun-record.ts';
import type { InterfaceConf } from './conf.ts';
import type { PreparedPolicy } from './policy.ts';

/** How the links of an attachment are made. */
export interface LinkPlans {
  /** Absent of a routed container. */
  readonly bridge?: BridgePlan;
  readonly mtu: number;
  readonly veth: VethPlan;
}

/** What they are made of, besides conf and record. */
export interface LinkSpec {
  readonly addresses: CompleteAddresses;
  readonly mac: string;
  readonly policy: PreparedPolicy | undefined;
  /** Tells the neighbours the MAC, because it does not follow from the address. */
  readonly announces?: boolean;
}

/**
 * Plans bridge and veth, or the veth of a routed container. Throws code 7 for an MTU without room for the addresses.
 */
export async function planLinks(
  { netns, ifname, link }: LinkedRecord,
  { link: conf, mac: askedMac }: InterfaceConf,
  { addresses: { ips, kernelRoutes, gateways, onLink }, mac, policy, announces = false }: LinkSpec,
): Promise<LinkPlans> {
  const mtu = conf.mtu === 0 ? await (conf.routed ? chooseRoutedMtu() : chooseMtu(conf.bridge)) : conf.mtu;
  const addresses = ips.map(({ address }) => address);
  requireMtuFor(addresses, { mtu, bridge: conf.routed ? link.hostInterface : conf.bridge });
  const common = {
    bridge: conf.bridge,
    mtu,
    vlan: conf.vlan,
    trunk: conf.trunk,
    preserveDefaultVlan: conf.preserveDefaultVlan,
  };
  const bridge = conf.routed
    ? {}
    : {
        bridge: planBridge({
          ...common,
          promiscMode: conf.promiscMode,
          groupForwardMask: conf.groupForwardMask,
          forceAddress: conf.forceAddress,
          gateways,
          onLink,
        }),
      };
  return {
    ...bridge,
    mtu,
    veth: planVeth({
      ...common,
      ...(link.group === undefined ? {} : { routing: { gateways, group: link.group } }),
      hostInterface: link.hostInterface,
      netns,
      ...(conf.hostTap !== undefined || isPlainWord(netns) ? {} : { netnsInBatch: plainNetnsPath(netns) }),
      ifname,
      mac,
      announces: !conf.routed && (announces || askedMac !== undefined),
      hairpinMode: conf.hairpinMode,
      portIsolation: conf.portIsolation || (policy !== undefined && isolatesPort(policy.chosen.policy)),
      learns: !isTiedToMac(link),
      enabledad: conf.enabledad,
      disableContainerInterface: conf.disableContainerInterface,
      ...(conf.tap === undefined ? {} : { tap: conf.tap }),
      ...(conf.hostTap === undefined ? {} : { hostTap: conf.hostTap }),
      addresses,
      routes: kernelRoutes,
      ipv6: hasIpv6() && hasRoomForIpv6(mtu),
    }),
  };
}
