import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest, GcRequest, StatusRequest } from '../../../cni/request.ts';
import type { PassThrough } from '../../../cni/serve.ts';
import { applyCommands } from '../../../host/apply.ts';
import { findMissing } from '../../../records/check.ts';
import { attachmentKey, describeAttachment } from '../../../records/key.ts';
import { removeSection } from '../../../records/remove.ts';
import { readOwnRecord } from '../../../records/store.ts';
import { findInterface, type EnforcedInterface } from '../../egress-policy/interface.ts';
import { differencesOfFirewalls } from '../../../records/firewalls.ts';
import { upkeep } from '../../../records/upkeep.ts';
import { requirePrograms, requireRules } from '../../status.ts';
import { requirePrevResult } from '../portmap/conf.ts';
import { collectSections, currentRecord, passThrough, putSection } from '../section.ts';
import { warn } from '../../../cni/warn.ts';
import { checkAdminChain, parseIngressPolicy } from './conf.ts';
import { errorWithoutRecord } from '../../without-record.ts';

const seeker = { name: 'firewall', verb: 'open the firewall for', subject: 'An ingress policy' };

/**
 * Lets the container's traffic through foreign firewalls, and puts rules around its bridge as "ingressPolicy" asks.
 * The result passes unchanged.
 */
export async function add(request: AttachmentRequest): Promise<PassThrough> {
  const policy = parseIngressPolicy(request.config);
  requirePrevResult('firewall', request);
  (await checkAdminChain(request.config)).forEach(warn);
  const found = await findFiltered(request, policy === 'open');
  if (found === undefined) return passThrough(request);
  // The record says that it is so, and the agent takes it at its word.
  if (policy === 'isolated' && found.port !== undefined)
    await applyCommands([{ kind: 'setPort', name: found.port, isolated: true }]);
  await putSection(request, 'ingressPolicy', { ingressInterface: found.ingressInterface, policy });
  return passThrough(request);
}

/** Takes those rules out with the last container of the bridge that asked for them. */
export async function del({ id }: AttachmentRequest): Promise<void> {
  const record = readOwnRecord(attachmentKey(id));
  if (record !== undefined) await removeSection(record, 'ingressPolicy');
}

/** Throws code 3 without a record, and code 103 when a rule is missing or a foreign firewall is in the way. */
export async function check(request: AttachmentRequest): Promise<void> {
  parseIngressPolicy(request.config);
  const record = readOwnRecord(attachmentKey(request.id));
  if (record?.ingressPolicy === undefined) {
    if ((await findFiltered(request, true)) === undefined) return;
    throw await errorWithoutRecord(request, { part: 'the ingress policy around', code: codes.checkFailed });
  }
  const [missing, open, closed] = await Promise.all([
    findMissing(record),
    upkeep.ingressPolicy.differences?.(record.ingressPolicy, record, request) ?? [],
    differencesOfFirewalls(record),
  ]);
  const differences = [...missing.map((what) => `missing in nftables: ${what}`), ...open, ...closed];
  if (differences.length === 0) return;
  throw new CniError(
    codes.checkFailed,
    `The ingress policy around ${describeAttachment(request.id)} is not as ADD set it: ${differences[0] ?? ''}`,
    differences.join('; '),
  );
}

export async function gc(request: GcRequest): Promise<void> {
  await collectSections(request, 'ingressPolicy');
}

export async function status({ config }: StatusRequest): Promise<void> {
  parseIngressPolicy(config);
  await checkAdminChain(config);
  requirePrograms(['ip', 'nft']);
  await requireRules();
}

/** What does not pass the host's firewall (macvlan, ipvlan), and what has no address, needs nothing opened. */
async function findFiltered(request: AttachmentRequest, mayMiss: boolean): Promise<EnforcedInterface | undefined> {
  try {
    return await findInterface(request, currentRecord(request)?.link, seeker);
  } catch (error) {
    if (mayMiss && error instanceof CniError && error.code === codes.invalidConfig) return undefined;
    throw error;
  }
}
