import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest, GcRequest, StatusRequest } from '../../../cni/request.ts';
import type { PassThrough } from '../../../cni/serve.ts';
import { planPortIsolation } from '../../../egress/gate.ts';
import { applyBatch } from '../../../host/ip.ts';
import { findMissing } from '../../../records/check.ts';
import { attachmentKey, describeAttachment } from '../../../records/key.ts';
import { readSoundRecord } from '../../../records/store.ts';
import { findInterface, type PolicedInterface } from '../../egress-policy/interface.ts';
import { checkFirewalls } from '../../firewalls.ts';
import { requirePrograms, requireRules } from '../../status.ts';
import { requirePrevResult } from '../portmap/conf.ts';
import { collectSections, currentRecord, passThrough, putSection, removeSection } from '../section.ts';
import { parseIngressPolicy } from './conf.ts';

const seeker = { name: 'firewall', verb: 'open the firewall for', subject: 'A wall' };

/**
 * Lets the container's traffic through foreign firewalls, and puts walls around its bridge as "ingressPolicy" asks.
 * The result passes unchanged.
 */
export async function add(request: AttachmentRequest): Promise<PassThrough> {
  const policy = parseIngressPolicy(request.config);
  requirePrevResult('firewall', request);
  const found = await findFiltered(request, policy === 'open');
  if (found === undefined) return passThrough(request);
  await putSection(request, 'walls', { ingressInterface: found.ingressInterface, policy });
  if (policy === 'isolated' && found.port !== undefined) await applyBatch(planPortIsolation(found.port, true));
  return passThrough(request);
}

/** Takes the walls out with the bridge's last container that asked for them. */
export async function del({ id }: AttachmentRequest): Promise<void> {
  const record = readSoundRecord(attachmentKey(id));
  if (record !== undefined) await removeSection(record, 'walls');
}

/** Throws code 3 without a record, and code 103 when walls are missing or a foreign firewall is in the way. */
export async function check(request: AttachmentRequest): Promise<void> {
  parseIngressPolicy(request.config);
  const record = readSoundRecord(attachmentKey(request.id));
  if (record?.walls === undefined) {
    if ((await findFiltered(request, true)) === undefined) return;
    throw new CniError(
      codes.unknownContainer,
      `Cannot check the walls around ${describeAttachment(request.id)}: there is no record of them`,
      'It was never added, or it is gone: after a reboot it has to be added again',
    );
  }
  const [missing, closed] = await Promise.all([findMissing(record), checkFirewalls(record.walls.ingressInterface)]);
  const differences = [...missing.map((what) => `missing in nftables: ${what}`), ...closed];
  if (differences.length === 0) return;
  throw new CniError(
    codes.checkFailed,
    `The walls around ${describeAttachment(request.id)} are not as ADD put them: ${differences[0] ?? ''}`,
    differences.join('; '),
  );
}

export async function gc(request: GcRequest): Promise<void> {
  await collectSections(request, async (record) => removeSection(record, 'walls'));
}

export async function status({ config }: StatusRequest): Promise<void> {
  parseIngressPolicy(config);
  requirePrograms(['ip', 'nft']);
  await requireRules();
}

/** What does not pass the host's firewall (macvlan, ipvlan), and what has no address, needs nothing opened. */
async function findFiltered(request: AttachmentRequest, mayMiss: boolean): Promise<PolicedInterface | undefined> {
  try {
    return await findInterface(request, currentRecord(request)?.link, seeker);
  } catch (error) {
    if (mayMiss && error instanceof CniError && error.code === codes.invalidConfig) return undefined;
    throw error;
  }
}
