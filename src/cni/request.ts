import { parseArgs } from './args.ts';
import type { CniArgs } from './args.ts';
import { CniError, codes } from './errors.ts';
import { Fields, quote } from './fields.ts';
import { jsonReason } from '../text/json-problem.ts';
import { isNestedDeeperThan } from './nesting.ts';
import { resultFromWire } from './result.ts';
import type { Result } from './result.ts';
import { assumedVersion, compareVersions, isSupported, supportedVersions } from './versions.ts';
import type { SpecVersion } from './versions.ts';

/** The verbs of the specification. VERSION is answered before a request is made of the input. */
export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

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

export type Environment = Readonly<Record<string, string | undefined>>;

interface Requirement {
  /** Variables that must not be empty. */
  readonly variables: readonly string[];
  /** Oldest version of a configuration that may be given this verb; absent: any. */
  readonly since?: SpecVersion;
}

/** SPEC.md 1.1.0, section 2, "CNI operations": what each verb requires, and since which version it exists. */
const requirements: Record<Exclude<Verb, 'VERSION'>, Requirement> = {
  ADD: { variables: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] },
  DEL: { variables: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'] },
  CHECK: { variables: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'], since: '0.4.0' },
  GC: { variables: ['CNI_PATH'], since: '1.1.0' },
  STATUS: { variables: ['CNI_PATH'], since: '1.1.0' },
};

/**
 * Makes a request of a plugin's environment and stdin, or throws {@link CniError}:
 * 4 for a variable that is missing or invalid, 6 for a configuration that is not JSON, 7 for one that is not
 * valid, 1 for a version that we do not speak or that does not have the verb. The order of the checks is the reference's.
 */
export function parseRequest(env: Environment, stdin: string): Request {
  const verb = parseVerb(env);
  requireVariables(env, verb);
  const fields = new Fields(decode(stdin), '', codes.decodingFailure);
  const network = parseNetworkName(fields);
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

function parseVerb(env: Environment): Exclude<Verb, 'VERSION'> {
  const command = env['CNI_COMMAND'] ?? '';
  if (command === '') throw missing(['CNI_COMMAND']);
  if (!Object.hasOwn(requirements, command)) {
    throw new CniError(
      codes.invalidEnvironment,
      `unknown CNI_COMMAND: ${command}`,
      `The commands are ${Object.keys(requirements).join(', ')} and VERSION`,
    );
  }
  return command as Exclude<Verb, 'VERSION'>;
}

function requireVariables(env: Environment, verb: Exclude<Verb, 'VERSION'>): void {
  const absent = requirements[verb].variables.filter((name) => (env[name] ?? '') === '');
  if (absent.length > 0) throw missing(absent);
}

function missing(variables: readonly string[]): CniError {
  return new CniError(codes.invalidEnvironment, `required env variables [${variables.join(',')}] missing`);
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

/** A letter or digit first: so "", ".", ".." and anything with a "/" never become a part of a path (the reference's pkg/utils). */
const safeName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

const safeNameRule = 'Letters, digits, "_", "." and "-" are allowed, a letter or digit first';

function parseNetworkName(fields: Fields): string {
  const name = fields.string('name') ?? '';
  if (name === '')
    throw new CniError(codes.invalidConfig, 'missing network name', 'Give the network configuration a "name"');
  if (!safeName.test(name))
    throw new CniError(
      codes.invalidConfig,
      `Invalid "name": invalid characters found in network name ${quote(name)}`,
      safeNameRule,
    );
  return name;
}

function parseContainerId(env: Environment): string {
  const id = env['CNI_CONTAINERID'] ?? '';
  if (!safeName.test(id))
    throw new CniError(
      codes.invalidEnvironment,
      `Invalid "CNI_CONTAINERID": invalid characters in containerID ${quote(id)}`,
      safeNameRule,
    );
  return id;
}

/**
 * The rules of the kernel's dev_valid_name(), as the reference applies them, and a few characters more: the
 * kernel takes "%" for a template, and quotes, a backslash or "#" change how `ip -batch` reads its line.
 */
function parseIfname(env: Environment): string {
  const name = env['CNI_IFNAME'] ?? '';
  const problem = ifnameProblem(name);
  if (problem !== undefined)
    throw new CniError(
      codes.invalidEnvironment,
      `Invalid "CNI_IFNAME": ${problem}: ${quote(name)}`,
      'A name has 1 to 15 bytes, and none of / : % " \' \\ # and white space',
    );
  return name;
}

function ifnameProblem(name: string): string | undefined {
  if (Buffer.byteLength(name) > 15) return 'interface name is too long';
  if (name === '.' || name === '..') return 'interface name is . or ..';
  if (/[/:\s\u0085]/u.test(name)) return 'interface name contains / or : or whitespace characters';
  if (/[%"'\\#\p{Cc}]/u.test(name)) return 'interface name contains a character with a meaning of its own';
  return undefined;
}

function parseVersion(fields: Fields, verb: Exclude<Verb, 'VERSION'>): SpecVersion {
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

/** Reads what every plugin needs of a configuration that nobody runs: name and version as for an ADD. Throws as {@link parseRequest} does. */
export function parseNetworkConf(fields: Fields): NetworkConf {
  return parseConfig(fields, parseNetworkName(fields), parseVersion(fields, 'ADD'), '');
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
