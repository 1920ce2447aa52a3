import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest, GcRequest, StatusRequest } from '../../../cni/request.ts';
import type { Result } from '../../../cni/result.ts';
import type { PassThrough } from '../../../cni/serve.ts';
import { unshape } from '../../../host/shaping.ts';
import { ifbOf, type ShapedRecord } from '../../../links/shaping.ts';
import { limit, limitDifferences } from '../../../records/sections/upkeep/shaped.ts';
import { attachmentKey, describeAttachment } from '../../../records/key.ts';
import { forgetSection, removeSection } from '../../../records/remove.ts';
import { readOwnRecord } from '../../../records/store.ts';
import { findHostInterface } from '../../egress-policy/interface.ts';
import { requirePrograms } from '../../status.ts';
import { warn } from '../../../cni/warn.ts';
import { requirePrevResult } from '../portmap/conf.ts';
import { collectSections, currentRecord, passThrough, writeSection } from '../section.ts';
import { parseBandwidthConf } from './conf.ts';

const seeker = { name: 'bandwidth', verb: 'limit', subject: 'A limit' };

/**
 * Limits what the container receives ("ingress") and sends ("egress"). For the latter there is one more interface on
 * the host, which the result tells. Without a limit the result passes unchanged.
 */
export async function add(request: AttachmentRequest): Promise<Result | PassThrough> {
  const shaping = parseBandwidthConf(request.config);
  if (shaping.ingress === undefined && shaping.egress === undefined) return passThrough(request);
  requirePrevResult('bandwidth', request);
  const { id, prevResult } = request;
  const { hostInterface, ingressInterface } = await findHostInterface(request, currentRecord(request)?.link, seeker);
  const ifb = shaping.egress === undefined ? undefined : ifbOf(id);
  const shaped: ShapedRecord = {
    hostInterface,
    ingressInterface,
    ...(ifb === undefined ? {} : { ifb: ifb.name }),
    limits: shaping,
  };
  const record = await writeSection(request, 'shaped', shaped);
  try {
    await limit(shaped);
  } catch (error) {
    await forgetSection(record, 'shaped').catch((undoing: unknown) =>
      warn(`Cannot undo the ADD that failed: ${String(undoing)}`),
    );
    throw error;
  }
  if (ifb === undefined || prevResult === undefined) return passThrough(request);
  return { ...prevResult, interfaces: [...prevResult.interfaces, ifb] };
}

/** Removes queues and interface by the record, and by its name what a reference plugin made or a lost record had. */
export async function del({ id }: AttachmentRequest): Promise<void> {
  const record = readOwnRecord(attachmentKey(id));
  if (record?.shaped === undefined) await unshape([], ifbOf(id).name);
  else await removeSection(record, 'shaped');
}

/** Throws code 103 naming every limit that is not in force. */
export async function check(request: AttachmentRequest): Promise<void> {
  const { ingress, egress } = parseBandwidthConf(request.config);
  if (ingress === undefined && egress === undefined) return;
  requirePrevResult('bandwidth', request);
  const { id } = request;
  const { hostInterface } = await findHostInterface(request, currentRecord(request)?.link, seeker);
  const limits = { ...(ingress === undefined ? {} : { ingress }), ...(egress === undefined ? {} : { egress }) };
  const differences = await limitDifferences({ hostInterface, ifb: ifbOf(id).name, limits });
  if (differences.length === 0) return;
  throw new CniError(
    codes.checkFailed,
    `The limits of ${describeAttachment(id)} are not as ADD set them: ${differences[0]}`,
    differences.join('; '),
  );
}

export async function gc(request: GcRequest): Promise<void> {
  await collectSections(request, 'shaped');
}

export async function status({ config }: StatusRequest): Promise<void> {
  parseBandwidthConf(config);
  requirePrograms(['ip', 'nsenter', 'tc']);
}
