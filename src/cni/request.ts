import { parseArgs } from './args.ts';
import type { CniArgs } from './args.ts';
import { CniError, codes, InvalidValueError } from './errors.ts';
import { Fields, quote } from './fields.ts';
import { jsonReason } from '../text/json-problem.ts';
import {
  parseContainerId,
  parseIfname,
  parseVerb,
  requirements,
  requireVariables,
  safeName,
  safeNameRule,
} from './environment.ts';
import type { Environment, ServedVerb } from './environment.ts';
import { isNestedDeeperThan } from './nesting.ts';
import { resultFromWire } from './result.ts';
import type { Result } from './result.ts';
import { assumedVersion, compareVersions, isSupported, supportedVersions } from './versions.ts';
import type { SpecVersion } from './versions.ts';

/** Names one interface of one container on one network: the unit that everything we make belongs to. */
export interface AttachmentId {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

export type Request = AttachmentRequest | GcRequest | StatusRequest;

interface CommonRequest {
  readonly config: NetworkConf;
  /** Folders in which plugins are: CNI_PATH. */
  readonly path: readonly string[];
  readonly args: CniArgs;
  /** CNI_ARGS as it came, for a plugin that this one runs. */
  readonly argsText: string;
}

export interface AttachmentRequest extends CommonRequest {
  readonly verb: 'ADD' | 'DEL' | 'CHECK';
  readonly id: AttachmentId;
  /** Path of the network namespace; empty on a DEL for a container that has none any more. */
  readonly netns: string;
  /** Always there on CHECK; absent on ADD for the first plugin of a list, and on many a DEL. */
  readonly prevResult?: Result;
  /** Why the prevResult of a DEL could not be read. A DEL goes on without it: what ADD made is on record. */
  readonly prevResultError?: CniError;
}

export interface GcRequest extends CommonRequest {
  readonly verb: 'GC';
  readonly validAttachments: ValidAttachments;
}

export interface StatusRequest extends CommonRequest {
  readonly verb: 'STATUS';
}

/**
 * What a GC says of the attachments in use. "absent": it says nothing (cnitool gc), so remove only what is
 * provably dead. "list": everything that is not in the list goes; an empty list, or null (ocicni's nil
 * slice), means that everything goes.
 */
export type ValidAttachments =
  | { readonly kind: 'absent' }
  | { readonly kind: 'list'; readonly attachments: readonly AttachmentId[] };

/** A plugin's configuration, with what every plugin needs of it. */
export interface NetworkConf {
  readonly cniVersion: SpecVersion;
  readonly name: string;
  readonly type: string;
  readonly raw: Readonly<Record<string, unknown>>;
  readonly fields: Fields;
  /** The configuration as it came on stdin, for a plugin that this one runs. */
  readonly text: string;
}

/**
 * Makes a request of a plugin's environment and stdin, or throws {@link CniError}:
 * 4 for a variable that is missing or invalid, 6 for a configuration that is not JSON, 7 for one that is not
 * valid, 1 for a version that we do not speak or that does not have the verb. The order of the checks is the
 * reference's.
 */
export function parseRequest(env: Environment, stdin: string): Request {
  const verb = parseVerb(env);
  requireVariables(env, verb);
  const fields = new Fields(decode(stdin), '', codes.decodingFailure);
  const network = parseNetworkName(fields, verb);
  const attached =
    verb === 'GC' || verb === 'STATUS'
      ? undefined
      : { network, containerId: parseContainerId(env), ifname: parseIfname(env) };
  const config = parseConfig(fields, network, parseVersion(fields, verb), stdin);
  const argsText = env['CNI_ARGS'] ?? '';
  const common = {
    config,
    path: (env['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== ''),
    args: parseArgs(argsText),
    argsText,
  };

  if (verb === 'STATUS') return { verb, ...common };
  if (attached === undefined || verb === 'GC')
    return { verb: 'GC', ...common, validAttachments: parseValidAttachments(config) };
  return { verb, ...common, id: attached, netns: env['CNI_NETNS'] ?? '', ...parsePrevResult(config, verb) };
}

/** Far above what a runtime sends; a stream without end must not fill the memory first. */
export const longestConfig = 16 * 1024 * 1024;

/** Go's decoder stops at 10,000; no configuration has ten. */
const deepestConfig = 1000;

function decode(stdin: string): unknown {
  if (stdin.length > longestConfig) {
    throw new CniError(
      codes.decodingFailure,
      `Cannot decode the network configuration: it is longer than ${longestConfig} characters`,
    );
  }
  if (isNestedDeeperThan(deepestConfig, stdin)) {
    throw new CniError(
      codes.decodingFailure,
      `Cannot decode the network configuration: it is nested deeper than ${deepestConfig} levels`,
    );
  }
  try {
    return (JSON.parse(stdin) as unknown) ?? {};
  } catch (error) {
    throw new CniError(
      codes.decodingFailure,
      'Cannot decode the network configuration: it is not JSON',
      stdin.trim() === '' ? 'stdin is empty' : jsonReason(stdin),
      { cause: error },
    );
  }
}

/** Bytes of a file's name on Linux (NAME_MAX): a network's name is that of the folder of its leases. */
const longestName = 255;

/** What an older version added under a longer name is removed all the same. */
function parseNetworkName(fields: Fields, verb: ServedVerb): string {
  const name = fields.string('name') ?? '';
  if (name === '')
    throw new CniError(codes.invalidConfig, 'missing network name', 'Give the network configuration a "name"');
  if (!safeName.test(name))
    throw new InvalidValueError('name', `invalid characters found in network name ${quote(name)}`, safeNameRule);
  if (name.length > longestName && verb !== 'DEL' && verb !== 'GC')
    throw new InvalidValueError(
      'name',
      `the network name has ${name.length} characters, at most ${longestName} are expected`,
      'Leases are files in a folder of that name: give the network a shorter one',
    );
  return name;
}

function parseVersion(fields: Fields, verb: ServedVerb): SpecVersion {
  const version = fields.string('cniVersion') || assumedVersion;
  const { since } = requirements[verb];
  if (since !== undefined && compareVersions(version, since) < 0) {
    throw new CniError(
      codes.incompatibleVersion,
      `config version does not allow ${verb}`,
      `config is ${quote(version)}, ${verb} exists since ${quote(since)}`,
    );
  }
  if (!isSupported(version)) {
    throw new CniError(
      codes.incompatibleVersion,
      'incompatible CNI versions',
      `config is ${quote(version)}, plugin supports [${supportedVersions.map(quote).join(' ')}]`,
    );
  }
  return version;
}

/**
 * Reads what every plugin needs of a configuration that nobody runs: name and version as for an ADD. Throws as {@link
 * parseRequest} does.
 */
export function parseNetworkConf(fields: Fields): NetworkConf {
  return parseConfig(fields, parseNetworkName(fields, 'ADD'), parseVersion(fields, 'ADD'), '');
}

function parseConfig({ value }: Fields, name: string, cniVersion: SpecVersion, text: string): NetworkConf {
  const fields = new Fields(value);
  return { cniVersion, name, type: fields.string('type') ?? '', raw: value, fields, text };
}

function parsePrevResult(
  config: NetworkConf,
  verb: AttachmentRequest['verb'],
): Pick<AttachmentRequest, 'prevResult' | 'prevResultError'> {
  const value = config.fields.raw('prevResult');
  if (value === undefined) {
    if (verb === 'CHECK')
      throw new CniError(
        codes.invalidConfig,
        'Cannot check the attachment: "prevResult" is missing',
        'Pass the result of ADD as "prevResult"',
      );
    return {};
  }
  try {
    return { prevResult: resultFromWire(value, config.cniVersion, { path: 'prevResult', code: codes.invalidConfig }) };
  } catch (error) {
    if (verb === 'DEL' && error instanceof CniError) return { prevResultError: error };
    throw error;
  }
}

/**
 * libcni sends the list under both keys (cni#1101); an attachment that either of them names is in use.
 * One entry that cannot be read refuses the whole list: what it named would be removed.
 */
function parseValidAttachments({ fields, name }: NetworkConf): ValidAttachments {
  const keys = ['cni.dev/valid-attachments', 'cni.dev/attachments'].filter((key) => fields.has(key));
  if (keys.length === 0) return { kind: 'absent' };
  const attachments = new Map<string, AttachmentId>();
  for (const entry of keys.flatMap((key) => fields.objects(key) ?? [])) {
    const id = { network: name, containerId: required(entry, 'containerID'), ifname: required(entry, 'ifname') };
    attachments.set(`${id.containerId} ${id.ifname}`, id);
  }
  return { kind: 'list', attachments: [...attachments.values()] };
}

function required(entry: Fields, key: string): string {
  const value = entry.string(key) ?? '';
  if (value === '') throw entry.invalid(key, 'a name');
  return value;
}
