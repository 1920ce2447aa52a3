import { intervalOf, overlaps } from '../../egress/interval.ts';
import { showJson } from '../../host/ip.ts';
import { formatPrefix, parsePrefix } from '../../ip/address.ts';
import { familyOf } from '../../ip/family.ts';
import { list as listLeases } from '../../ipam/ledger.ts';
import { defaultDataDir } from '../../ipam/ranges.ts';
import type { LinkRecord } from '../../records/record.ts';
import { rangeSetsOf } from '../../records/sections/link.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import type { Check, Trouble } from './check.ts';

/** Checks of the addresses that containers have. */
export const addressChecks: readonly Check[] = [
  { name: 'overlaps', about: 'networks that overlap', run: checkOverlaps },
  { name: 'leases', about: 'free addresses', run: checkPools },
];

/** A VPN or a LAN with the addresses of containers takes their packets away, or the other way round. */
async function checkOverlaps({ attachments }: Survey): Promise<Trouble[]> {
  const routes = ((await showJson(['route', 'show', 'table', 'all'])) ?? []) as {
    dst?: string;
    dev?: string;
    type?: string;
  }[];
  const foreign = routes.filter(
    ({ dst = '', type }) =>
      (type === undefined || type === 'unicast') && /^[\d.]+(\/\d+)?$/.test(dst) && !dst.startsWith('127.'),
  );
  // The host's routes to single containers lie in their own network.
  const veths = new Set(
    attachments.flatMap(({ record: { link } }) => (link?.bridge === undefined ? (link?.hostInterface ?? []) : [])),
  );
  const networks = new Map(
    attachments.flatMap(({ record: { link } }) =>
      (link?.bridge === undefined ? routedNetworks(link) : link.addresses.map(({ address }) => address))
        .filter((address) => familyOf(address) === 4)
        .map((address) => {
          const network = formatPrefix(parsePrefix(address));
          // A VLAN's gateway has an interface of its own, which the route to the network leads to.
          const bridge = link?.bridge === undefined ? 'routed veths' : link.ingressInterface;
          return [`${network} ${bridge}`, { network, bridge }] as const;
        }),
    ),
  );
  return [...networks.values()].flatMap(({ network, bridge }) =>
    foreign
      .filter(
        ({ dst = '', dev = '' }) => dev !== bridge && !veths.has(dev) && overlaps(intervalOf(network), intervalOf(dst)),
      )
      .map(({ dst, dev }): Trouble => ({
        severity: 'warning',
        found: `the containers' network ${network} on "${bridge}" overlaps ${dst} on "${dev}"`,
        why: 'packets for one of them go to the other',
        remedy: `change "subnet" of the network to one that "ip route" does not show`,
        isAdvice: true,
      })),
  );
}

/** Networks of routed containers: those behind their gateway, without the default route. */
function routedNetworks(link: LinkRecord | undefined): string[] {
  return (link?.routes ?? []).flatMap(({ dst, gw }) => (gw === undefined || dst.endsWith('/0') ? [] : [dst]));
}

/** Share of a range set from which on it is nearly full. */
const nearlyFull = 0.9;

function checkPools({ attachments }: Survey): Trouble[] {
  const networks = new Map(
    attachments.flatMap(({ record: { network, link } }) =>
      link?.ipam.type === 'host-local' ? [[network, link] as const] : [],
    ),
  );
  return [...networks].flatMap(([network, link]): Trouble[] => {
    try {
      const leases = listLeases(link.ipam.dataDir ?? defaultDataDir, network);
      return rangeSetsOf(link).flatMap((set): Trouble[] => {
        const used = leases.filter(({ address }) => familyOf(address) === set.family).length;
        if (Number(set.size) * nearlyFull > used) return [];
        const isFull = BigInt(used) >= set.size;
        return [
          {
            severity: isFull ? 'problem' : 'warning',
            found: `${used} of ${set.size} addresses of ${set.text} are leased (network "${network}")`,
            why: isFull ? 'no container can be added to the network' : 'soon no container can be added to the network',
            remedy: 'drawbridge clean   # gives back what dead containers hold; then a larger "subnet"',
          },
        ];
      });
    } catch {
      return [];
    }
  });
}
