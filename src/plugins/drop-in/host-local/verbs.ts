import { CniError, codes } from '../../../cni/errors.ts';
import { quote } from '../../../cni/fields.ts';
import { checkArgs } from '../../../cni/args.ts';
import type { AttachmentRequest, GcRequest, Request, StatusRequest } from '../../../cni/request.ts';
import type { Result } from '../../../cni/result.ts';
import { parseConfArgs, parseRuntimeConfig } from '../../../cni/runtime-config.ts';
import { release } from '../../../ipam/leases.ts';
import { collect, fullSets, leasesOf } from '../../../ipam/ledger.ts';
import { parseDataDir } from '../../../ipam/ranges.ts';
import { parseRequested } from '../../../ipam/requested.ts';
import { describeAttachment } from '../../../records/key.ts';
import { reserveAddresses } from '../../drawbridge/addresses.ts';
import { parseIpamChoice, type IpamChoice } from '../../drawbridge/conf.ts';
import { notAvailable, requireFolder } from '../../status.ts';

/** What the plugin that delegates to us may have been given besides "IP". */
const knownArgs = [
  'IP',
  'MAC',
  'GATEWAY',
  'K8S_POD_NAMESPACE',
  'K8S_POD_NAME',
  'K8S_POD_INFRA_CONTAINER_ID',
  'K8S_POD_UID',
];

/**
 * Reserves one address of each range set for another interface plugin.
 *
 * Throws code 102 when the attachment has leases already (plugins#328: an ADD is not repeated).
 */
export async function add(request: AttachmentRequest): Promise<Result> {
  checkArgs(request.args, knownArgs);
  const ipam = parseOwn(request, () =>
    parseRequested({
      args: request.args.pairs.get('IP'),
      conf: parseConfArgs(request.config.fields).ips,
      runtime: parseRuntimeConfig(request.config.fields).ips,
    }),
  );
  const [held] = leasesOf(ipam.conf.dataDir, request.id);
  if (held !== undefined) {
    throw new CniError(
      codes.conflict,
      `Cannot reserve addresses for ${describeAttachment(request.id)}: ${held} has been allocated to it, duplicate allocation is not allowed`,
      'Send a DEL before the next ADD',
    );
  }
  const { ips, routes, dns } = await reserveAddresses(request, ipam);
  return { interfaces: [], ips: [...ips], routes: [...routes], dns };
}

/** Gives back what the attachment holds, whatever else of the conf is wrong. */
export async function del(request: AttachmentRequest): Promise<void> {
  release(dataDirOf(request), request.id);
}

/** Throws code 103 when the attachment has no lease; which address it is was never asked, as in the reference. */
export async function check(request: AttachmentRequest): Promise<void> {
  const { conf } = parseOwn(request);
  if (leasesOf(conf.dataDir, request.id).length > 0) return;
  throw new CniError(
    codes.checkFailed,
    `The addresses of ${describeAttachment(request.id)} are not as ADD reserved them: it has no lease`,
    `Leases are files in "${conf.dataDir}/${request.config.name}"`,
  );
}

/** Without a list nothing is known of the attachments that leases belong to, so none goes. */
export async function gc(request: GcRequest): Promise<void> {
  const { validAttachments: valid, config } = request;
  if (valid.kind === 'absent') return;
  collect(dataDirOf(request), config.name, ({ containerId, ifname }) =>
    valid.attachments.some((one) => one.containerId === containerId && (ifname === undefined || one.ifname === ifname)),
  );
}

/** Throws code 50 when a range set has no address left. */
export async function status(request: StatusRequest): Promise<void> {
  const { conf } = parseOwn(request);
  requireFolder(conf.dataDir);
  const [full] = fullSets(conf, request.config.name);
  if (full !== undefined)
    throw notAvailable(
      `no address is free in ${quote(full.text)}: all ${full.size} are leased`,
      `Each is a file in "${conf.dataDir}/${request.config.name}"`,
    );
}

function parseOwn(
  { config }: Request,
  requested?: Parameters<typeof parseIpamChoice>[1],
): Extract<IpamChoice, { kind: 'host-local' }> {
  const ipam = parseIpamChoice(config, requested);
  if (ipam.kind === 'host-local') return ipam;
  throw new CniError(
    codes.invalidConfig,
    'Cannot reserve addresses: "ipam.type" is not "host-local"',
    'The interface plugin runs "host-local" with its own conf, which holds "ipam"',
  );
}

function dataDirOf({ config }: Request): string {
  const ipam = config.fields.object('ipam');
  if (ipam === undefined)
    throw new CniError(
      codes.invalidConfig,
      'Cannot give addresses back: the conf has no "ipam"',
      'The interface plugin runs "host-local" with its own conf, which holds "ipam"',
    );
  return parseDataDir(ipam);
}
