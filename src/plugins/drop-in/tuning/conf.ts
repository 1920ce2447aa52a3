import { checkArgs } from '../../../cni/args.ts';
import { CniError, codes } from '../../../cni/errors.ts';
import type { Fields } from '../../../cni/fields.ts';
import type { AttachmentRequest } from '../../../cni/request.ts';
import { parseConfArgs, parseRuntimeConfig } from '../../../cni/runtime-config.ts';
import type { LinkCommand, LinkSettings } from '../../../links/command.ts';
import type { SysctlValue } from '../../../links/sysctl-value.ts';
import { parseMac } from '../../../links/requested-mac.ts';
import { parseAllowlist, parseSysctls } from './sysctl.ts';

/** What of an interface is changed; absent stays as it is. */
export interface LinkTuning {
  readonly mac?: string;
  readonly mtu?: number;
  readonly promisc?: boolean;
  readonly allmulti?: boolean;
  readonly txQLen?: number;
}

export interface TuningConf {
  readonly link: LinkTuning;
  readonly sysctls: readonly SysctlValue[];
}

export const allowlistFile = '/etc/cni/tuning/allowlist.conf';

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
 * Reads the keys of the reference tuning plugin; "args.cni" overrides each. A MAC comes, the later the stronger, from
 * the conf, CNI_ARGS, runtimeConfig, "args.cni". `allowlist` is the text of {@link allowlistFile}.
 *
 * Throws code 7 for a value that is not valid, and code 4 for CNI_ARGS.
 */
export function parseTuningConf(
  {
    config: { fields },
    args,
    id,
  }: Pick<AttachmentRequest, 'config' | 'args'> & { readonly id: { readonly ifname: string } },
  allowlist: string | undefined,
): TuningConf {
  checkArgs(args, knownArgs);
  const override = fields.object('args')?.object('cni');
  const from = (key: string): Fields => (override?.has(key) === true ? override : fields);
  const mac =
    parseConfArgs(fields).mac ?? parseRuntimeConfig(fields).mac ?? args.pairs.get('MAC') ?? fields.string('mac');
  const mtu = from('mtu').integer('mtu', { min: 0, max: 65_535 }) ?? 0;
  if (mtu !== 0 && mtu < 68) throw from('mtu').invalid('mtu', '0 (as it is) or a whole number from 68 to 65535');
  const txQLen = from('txQLen').integer('txQLen', { min: 0, max: 2 ** 31 });
  const promisc = from('promisc').boolean('promisc');
  const allmulti = from('allmulti').boolean('allmulti');
  const allowed = allowlist === undefined ? undefined : parseAllowlist(allowlist, allowlistFile);
  return {
    link: {
      ...(mac === undefined || mac === '' ? {} : { mac: parseMac(mac) }),
      ...(mtu === 0 ? {} : { mtu }),
      // As in the reference, false asks for nothing: it is what a conf that never heard of the key says.
      ...(promisc === true ? { promisc } : {}),
      ...(allmulti === undefined ? {} : { allmulti }),
      ...(txQLen === undefined ? {} : { txQLen }),
    },
    sysctls: parseSysctls(from('sysctl'), id.ifname, allowed),
  };
}

/** What changes it, one command for each setting. */
export function planTuning(name: string, { mac, mtu, promisc, allmulti, txQLen }: LinkTuning): LinkCommand[] {
  const settings: LinkSettings[] = [
    ...(mac === undefined ? [] : [{ mac }]),
    ...(mtu === undefined ? [] : [{ mtu }]),
    ...(promisc === undefined ? [] : [{ promiscuous: promisc }]),
    ...(allmulti === undefined ? [] : [{ allMulticast: allmulti }]),
    ...(txQLen === undefined ? [] : [{ queueLength: txQLen }]),
  ];
  return settings.map((setting) => ({ kind: 'setLink', name, ...setting }));
}

/** Folder of the backups; "" counts as absent. Throws code 7 for a path that is not absolute. */
export function parseDataDir(fields: Fields): string {
  const folder = fields.string('dataDir') ?? '';
  if (folder === '') return '/run/cni/tuning';
  if (!folder.startsWith('/'))
    throw new CniError(
      codes.invalidConfig,
      `Invalid "dataDir": it is ${JSON.stringify(folder)}, an absolute path is expected`,
    );
  return folder;
}
