import { hostname, networkInterfaces } from 'node:os';
import { readDenials } from '../../repair/survey/denials.ts';
import { surveyAttachments } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, guestOf, ingressInterfaceOf, isRouted, portsOf } from '../../records/sections.ts';
import { mappingWords, policyWords } from '../../repair/survey/words.ts';
import { select, type Selection } from '../list/select.ts';
import type { Network, Picture } from './picture.ts';
import { reachOf } from './reach.ts';

/** Reads the networks of the host with those of their containers that are meant. */
export async function readPicture(selection: Selection): Promise<Picture> {
  const { attachments: all } = await surveyAttachments();
  const denials = await readDenials(all.map(({ record }) => record));
  const attachments = select(all, selection, denials);
  const groups = Map.groupBy(attachments, ({ record }) => `${record.network} ${placeOf(record)}`);
  const networks = [...groups.values()].map((own): Network => {
    const records = own.map(({ record }) => record);
    return {
      name: records[0]?.network ?? '',
      bridge: records[0] === undefined ? '' : placeOf(records[0]),
      gateways: [
        ...new Set(
          records.flatMap(
            ({ link, egress }) => egress?.gateways ?? link?.addresses.flatMap(({ gateway }) => gateway ?? []) ?? [],
          ),
        ),
      ],
      containers: own.map(({ record, findings }) => ({
        name: shownName(record.containerId),
        ifname: record.ifname,
        addresses: addressesOf(record),
        ports: portsOf(record).map(mappingWords),
        mode: record.egress?.policy.mode ?? 'none',
        policy: record.egress === undefined ? 'no policy' : policyWords(record.egress),
        reach: reachOf(record),
        denied: denials.get(record.key) ?? 0,
        isStale: findings.some(({ kind }) => kind !== 'unused'),
        ...tapOf(record),
      })),
    };
  });
  const bridges = new Set(all.flatMap(({ record }) => ingressInterfaceOf(record) ?? []));
  const addresses = Object.entries(networkInterfaces())
    .filter(([name]) => !bridges.has(name))
    .flatMap(([, list]) =>
      (list ?? [])
        .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
        .map(({ address }) => address),
    );
  return {
    time: new Date().toISOString(),
    host: { name: hostname(), addresses: [...new Set(addresses)].slice(0, 4) },
    networks,
  };
}

function tapOf(record: AttachmentRecord): { readonly tap?: string } {
  const guest = guestOf(record);
  return guest === undefined ? {} : { tap: guest.tap };
}

/** The bridge of its network; routed containers have none in common. */
function placeOf(record: AttachmentRecord): string {
  return isRouted(record) ? 'routed' : (ingressInterfaceOf(record) ?? '');
}
