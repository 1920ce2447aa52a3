import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { parseLinkConf } from '../../links/conf.ts';
import { findMissing } from '../../records/check.ts';
import { attachmentKey, describeAttachment } from '../../records/key.ts';
import { readOwnRecord } from '../../records/store.ts';
import { waitsForPolicy } from '../../records/waiting.ts';
import { differencesOfFirewalls } from '../../records/firewalls.ts';
import { upkeep } from '../../records/upkeep.ts';
import type { InterfaceDefaults } from './defaults.ts';
import { errorWithoutRecord } from '../without-record.ts';

/**
 * Compares everything that ADD made with what is there now. Throws code 103 naming each difference, and 3 when
 * we know nothing of the attachment.
 *
 * What plugins after us changed and wrote into the result, a MAC for instance, counts as expected.
 */
export async function check(request: AttachmentRequest, defaults: InterfaceDefaults): Promise<void> {
  parseLinkConf(request.config.fields, defaults);
  const record = readOwnRecord(attachmentKey(request.id));
  if (record?.link === undefined) throw await errorWithoutRecord(request, { code: codes.checkFailed });

  const [links, rules, firewalls] = await Promise.all([
    upkeep.link.differences?.(record.link, record, request) ?? [],
    findMissing(record),
    differencesOfFirewalls(record),
  ]);
  const differences = [
    ...links,
    ...rules.map((what) => `Missing in nftables: ${what}`),
    ...firewalls,
    ...(waitsForPolicy(record)
      ? [
          'it waits for a policy that never came, and reaches nothing: "egress-policy" was not called after "drawbridge"',
        ]
      : []),
  ];
  const [first] = differences;
  if (first === undefined) return;
  const more = differences.length === 1 ? '' : ` (and ${differences.length - 1} more)`;
  throw new CniError(
    codes.checkFailed,
    `${describeAttachment(request.id)} is not as ADD made it: ${first}${more}`,
    differences.join('; '),
  );
}
