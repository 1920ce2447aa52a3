import { parseArgs } from '../../cni/args.ts';
import { CniError, InvalidValueError, UnknownKeyError } from '../../cni/errors.ts';
import { Fields, quote } from '../../cni/fields.ts';
import { checkKeys } from '../../cni/known-keys.ts';
import { nearMissOf } from '../../cni/nearest.ts';
import { parseNetworkConf } from '../../cni/request.ts';
import { newestVersion } from '../../cni/versions.ts';
import { parseEgressConf, parsePluginConf, type EgressConf } from '../../egress/conf.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import { policyNotices } from '../../egress/describe.ts';
import { loadPolicy } from '../../egress/load-policy.ts';
import { egressOf, parseInterfaceConf } from '../../plugins/drawbridge/conf.ts';
import { interfaceDefaults } from '../../plugins/drawbridge/defaults.ts';
import { refuseEgressWithoutAddresses } from '../../plugins/drawbridge/policy.ts';
import { keysOf } from '../../plugins/known-keys.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';

/** A part of a file, and what ADD would do to read it. */
export interface CheckedPart {
  /** Path of the part in the file. */
  readonly base: string;
  readonly raw: unknown;
  /** Its values hang together: without what is wrong the rest would be wrong too. */
  readonly isWhole?: boolean;
  /** Reads the part and returns its notices. Throws CniError as ADD would. */
  readonly read: (raw: unknown) => readonly string[] | Promise<readonly string[]>;
}

/** Whether a file is the configuration of a network: a policy has none of these keys. */
export function isNetworkConf(raw: unknown): boolean {
  if (typeof raw !== 'object' || raw === null) return false;
  return Object.keys(raw).some((key) => /^(plugins|type|cniVersion|cniVersions|name)$/iu.test(key));
}

/** The parts of a list of plugins, or of one plugin, that plugins of ours read, and what concerns them together. */
export function partsOfNetwork(raw: unknown): CheckedPart[] {
  const list = new Fields(raw);
  if (list.raw('plugins') === undefined && list.raw('type') !== undefined)
    return [{ base: '', raw, read: () => (parseNetworkConf(list), []) }, ...partsOfPlugin('', raw, list)];
  const plugins = Array.isArray(list.raw('plugins')) ? (list.raw('plugins') as unknown[]) : [];
  return [
    { base: '', raw, isWhole: true, read: readList },
    ...plugins.flatMap((plugin, index) => partsOfPlugin(`plugins[${index}]`, plugin, list)),
  ];
}

const listKeys = 'cniVersion cniVersions name disableCheck disableGC loadOnlyInlinedPlugins plugins egress'.split(' ');

const ourTypes = ['drawbridge', 'egress-policy'];

/** What a runtime asks of a list, and which of our plugins go together. */
function readList(raw: unknown): string[] {
  const list = new Fields(raw);
  for (const key of list.keys()) {
    const known = listKeys.some((name) => name.toLowerCase() === key.toLowerCase());
    const near = known ? undefined : nearMissOf(key, listKeys);
    if (near !== undefined) throw new UnknownKeyError(key, `it is not a known key, the nearest one is ${quote(near)}`);
  }
  if (list.has('egress'))
    throw new UnknownKeyError('egress', 'it belongs to a plugin of type "drawbridge", and has no effect here');
  parseNetworkConf(list);
  // Without the key all plugins are in the folder of the network's name beside the file.
  const plugins = list.objects('plugins');
  if (plugins === undefined) return [];
  if (plugins.length === 0) throw list.invalid('plugins', 'a list of at least one plugin');
  refuseMixedPolicies(plugins);
  return [];
}

function refuseMixedPolicies(plugins: readonly Fields[]): void {
  const types = plugins.map((plugin) => plugin.string('type') ?? '');
  for (const [index, type] of types.entries()) {
    const near = ourTypes.includes(type) ? undefined : nearMissOf(type, ourTypes);
    if (near !== undefined)
      throw invalid(
        `plugins[${index}].type`,
        `there is no plugin ${quote(type)} of ours, the nearest one is ${quote(near)}`,
      );
  }
  const policies = [...types.keys()].filter((index) => types[index] === 'egress-policy');
  const [first] = policies;
  refuseWrongExpectation(plugins, first);
  if (first === undefined) return;
  const chained = `plugins[${first}].type`;
  if (first === 0)
    throw invalid(chained, '"egress-policy" is the first plugin', 'Put it after the plugin that makes the interface');
  if (policies.length > 1)
    throw invalid(
      `plugins[${policies[1]}].type`,
      '"egress-policy" is in the list twice',
      'One policy holds for an interface',
    );
  const inOne = plugins.findIndex((plugin, index) => types[index] === 'drawbridge' && plugin.has('egress'));
  if (inOne !== -1)
    throw invalid(
      chained,
      `"egress-policy" follows, and plugins[${inOne}] has "egress": these are two policies`,
      'Keep one of them: ADD refuses the second',
    );
}

/** What "awaitsPolicy" says is believed: wrong one way a container stays closed, the other way it is open at first. */
function refuseWrongExpectation(plugins: readonly Fields[], policy: number | undefined): void {
  const wrong = plugins.findIndex((plugin) => plugin.raw('awaitsPolicy') === (policy === undefined));
  if (wrong === -1 || plugins[wrong]?.raw('type') !== 'drawbridge') return;
  const path = `plugins[${wrong}].awaitsPolicy`;
  throw policy === undefined
    ? invalid(
        path,
        'it is true, and no "egress-policy" follows: containers would wait for a policy for ever',
        'Write false',
      )
    : invalid(path, 'it is false, and "egress-policy" follows: containers would be open until it comes', 'Write true');
}

function partsOfPlugin(base: string, raw: unknown, list: Fields): CheckedPart[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  const plugin = new Fields(raw);
  const type = plugin.raw('type');
  if (type === 'egress-policy') return [{ base, raw, read: (value) => readPolicyPlugin(value) }];
  if (type !== 'drawbridge') return [];
  const egress = plugin.raw('egress');
  const isObject = typeof egress === 'object' && egress !== null && !Array.isArray(egress);
  return [
    { base, raw, read: (value) => readInterfacePlugin(value, list) },
    ...(isObject
      ? [
          {
            base: base === '' ? 'egress' : `${base}.egress`,
            raw: egress,
            read: async (value: unknown) => readPolicies(parseEgressConf(value, '', loadOwnPresets(), hostNetworks())),
          },
        ]
      : []),
  ];
}

async function readPolicyPlugin(raw: unknown): Promise<readonly string[]> {
  const fields = new Fields(raw);
  const keys = keysOf('egress-policy');
  return [
    ...(keys === undefined ? [] : checkKeys(fields, keys)),
    ...(await readPolicies(parsePluginConf(raw, loadOwnPresets(), hostNetworks()))),
  ];
}

/** libcni puts name and version of the list into the configuration of each plugin. */
function readInterfacePlugin(raw: unknown, list: Fields): readonly string[] {
  const fields = new Fields({ ...(raw as object), ...soundHead(list) });
  const keys = keysOf('drawbridge');
  const notices = keys === undefined ? [] : checkKeys(fields, keys);
  const conf = parseInterfaceConf(
    { config: parseNetworkConf(fields), args: parseArgs('') },
    interfaceDefaults.drawbridge,
  );
  if (egressOf(fields) !== undefined) refuseEgressWithoutAddresses(conf);
  return notices;
}

/** What is wrong with them is told of the list, once. */
function soundHead(list: Fields): { name: string; cniVersion: string } {
  try {
    const { name, cniVersion } = parseNetworkConf(list);
    return { name, cniVersion };
  } catch {
    return { name: 'net', cniVersion: newestVersion };
  }
}

/** Notices of a policy; that of a named one comes from its file, which is to be there and valid. */
async function readPolicies({ policy, selectable }: EgressConf): Promise<readonly string[]> {
  for (const [index, name] of selectable.entries()) await load(name, `selectable[${index}]`);
  return 'named' in policy ? (await load(policy.named, 'policy'), []) : policyNotices(policy, hostNetworks());
}

async function load(name: string, path: string): Promise<void> {
  try {
    await loadPolicy(name, { onLink: hostNetworks() });
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    throw new InvalidValueError(path, error.message, error.details, error.code);
  }
}

function invalid(path: string, what: string, remedy?: string): CniError {
  return new InvalidValueError(path, what, remedy);
}
