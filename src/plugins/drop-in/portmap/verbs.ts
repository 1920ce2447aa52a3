import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest, GcRequest, StatusRequest } from '../../../cni/request.ts';
import type { PassThrough } from '../../../cni/serve.ts';
import { forgetUdpFlows } from '../../../host/conntrack.ts';
import { defaultRoutesAmong } from '../../../links/addresses.ts';
import { familiesOf } from '../../../ip/family.ts';
import { servedBy, type PortMapping } from '../../../ports/mapping.ts';
import { findMissing } from '../../../records/check.ts';
import { attachmentKey, describeAttachment } from '../../../records/key.ts';
import { removeSection } from '../../../records/remove.ts';
import { readOwnRecord } from '../../../records/store.ts';
import { findInterface } from '../../egress-policy/interface.ts';
import { requirePrograms, requireRules } from '../../status.ts';
import { warn } from '../../../cni/warn.ts';
import { warnOfListeners, warnOfUnserved } from '../../warnings.ts';
import { collectSections, currentRecord, passThrough, putSection } from '../section.ts';
import { parsePortmapConf, requirePrevResult, unneededKeys } from './conf.ts';
import { errorWithoutRecord } from '../../without-record.ts';

const seeker = { name: 'portmap', verb: 'publish ports of', subject: 'A published port' };

/** Publishes ports of the host for the interface that the chain before us made. The result passes unchanged. */
export async function add(request: AttachmentRequest): Promise<PassThrough> {
  const { ports, snat } = parsePortmapConf(request.config);
  requirePrevResult('portmap', request);
  unneededKeys(request.config).forEach(warn);
  if (ports.length === 0) return passThrough(request);
  const { ingressInterface, addresses } = await findInterface(request, currentRecord(request)?.link, seeker);
  const { served, unserved } = servedBy(ports, familiesOf(addresses));
  warnOfUnserved(unserved);
  await warnOfListeners(served);
  const defaultRoutes = defaultRoutesAmong(request.prevResult?.routes ?? []);
  await putSection(request, 'published', { ingressInterface, addresses, ports: served, snat, defaultRoutes });
  await forgetFlows(served);
  return passThrough(request);
}

/** Takes back what ADD published, by the record alone. */
export async function del({ id }: AttachmentRequest): Promise<void> {
  const record = readOwnRecord(attachmentKey(id));
  if (record !== undefined) await removeSection(record, 'published');
}

/**
 * Compares the rules of the attachment with the mappings. Throws code 3 without a record of them, code 103 when one is
 * missing.
 */
export async function check(request: AttachmentRequest): Promise<void> {
  const { ports } = parsePortmapConf(request.config);
  if (ports.length === 0) return;
  const record = readOwnRecord(attachmentKey(request.id));
  if (record?.published === undefined)
    throw await errorWithoutRecord(request, { part: 'the ports of', code: codes.checkFailed });

  const missing = await findMissing(record);
  if (missing.length === 0) return;
  throw new CniError(
    codes.checkFailed,
    `The ports of ${describeAttachment(request.id)} are not as ADD published them: ${missing[0] ?? ''} is missing in nftables`,
    missing.join('; '),
  );
}

export async function gc(request: GcRequest): Promise<void> {
  await collectSections(request, 'published');
}

export async function status({ config }: StatusRequest): Promise<void> {
  parsePortmapConf(config);
  requirePrograms(['ip', 'nft']);
  await requireRules();
}

async function forgetFlows(ports: readonly PortMapping[]): Promise<void> {
  (await forgetUdpFlows(ports.filter(({ protocol }) => protocol === 'udp'))).forEach(warn);
}
