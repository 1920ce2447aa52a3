import { CniError, codes, fileOfError, toWireError } from './errors.ts';
import { checkKeys, type ConfKeys } from './known-keys.ts';
import { longestConfig, parseRequest } from './request.ts';
import type { Environment } from './environment.ts';
import type { AttachmentRequest, GcRequest, Request, StatusRequest } from './request.ts';
import { resultToWire } from './result.ts';
import type { Result, WireResult } from './result.ts';
import { assumedVersion, newestVersion, supportedVersions } from './versions.ts';
import { systemReason } from '../text/system-error.ts';

export interface Plugin {
  readonly name: string;
  /** Printed when CNI_COMMAND is not set: see {@link aboutLine}. */
  readonly about: string;
  /** What ADD and STATUS hold the keys of the configuration to; absent when any will do. */
  readonly keys?: ConfKeys | undefined;
  readonly verbs: PluginVerbs;
}

/** What a plugin does. Each verb returns or throws; none prints and none exits. */
export interface PluginVerbs {
  add(request: AttachmentRequest): Promise<Result | PassThrough>;
  del(request: AttachmentRequest): Promise<void>;
  check(request: AttachmentRequest): Promise<void>;
  gc(request: GcRequest): Promise<void>;
  status(request: StatusRequest): Promise<void>;
}

/** The result of a chained plugin that changes nothing: "prevResult" as it was decoded. */
export interface PassThrough {
  readonly passThrough: unknown;
}

/** Everything that a run of a plugin reads and writes, so that a test needs no process. */
export interface PluginIo {
  readonly env: Environment;
  readStdin(): Promise<string>;
  stdout(text: string): void;
  stderr(text: string): void;
  /**
   * Whether the path is the network namespace that this process is in, and the request is about a container, which must
   * have another one; false when it cannot be opened.
   */
  ownNetns?(path: string, request: AttachmentRequest): boolean | Promise<boolean>;
}

/**
 * Runs a plugin once, as its environment and stdin ask, and returns the exit status: 0, or 1 with an error
 * object on stdout. The only place that writes to stdout and decides the exit status of plugin runs.
 */
export async function serve(plugin: Plugin, io: PluginIo): Promise<number> {
  const command = io.env['CNI_COMMAND'] ?? '';
  if (command === '') {
    io.stderr(aboutText(plugin));
    return 0;
  }
  if (command === 'VERSION') {
    io.stdout(`${JSON.stringify({ cniVersion: await askedVersion(io), supportedVersions })}\n`);
    return 0;
  }
  let stdin = '';
  try {
    stdin = await readConfig(io);
    const request = parseRequest(io.env, stdin);
    if (await isOwnNetns(request, io)) return await leaveOwnNetns(plugin.verbs, request, io);
    if (plugin.keys !== undefined && (request.verb === 'ADD' || request.verb === 'STATUS'))
      checkKeys(request.config.fields, plugin.keys).forEach((text) => io.stderr(`${plugin.name}: ${text}\n`));
    await perform(plugin.verbs, request, io);
    return 0;
  } catch (thrown) {
    if (thrown instanceof Error && !(thrown instanceof CniError) && fileOfError(thrown) === undefined)
      io.stderr(`${thrown.stack ?? thrown.message}\n`);
    print(io, { ...toWireError(thrown, versionOf(stdin)) });
    return 1;
  }
}

/**
 * The line by which callers know a plugin. nerdctl reads "CNI firewall plugin v1.9.1" to learn what the
 * plugin can do, so the form is the reference's.
 */
export function aboutLine(name: string, version: string): string {
  return `CNI ${name} plugin v${version}`;
}

/** What a plugin prints that no runtime calls. */
export function aboutText({ about }: Plugin): string {
  return `${about}\nCNI protocol versions supported: ${supportedVersions.join(', ')}\n`;
}

/**
 * Milliseconds in which a VERSION has to bring its stdin; the reference does not read it, so callers may leave it open.
 */
const versionDeadline = 500;

/**
 * The specification wants the asked version echoed, also one that we do not speak. Without one, the answer has our
 * newest.
 */
async function askedVersion(io: PluginIo): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, versionDeadline, '');
  });
  try {
    const asked = toldVersion(await Promise.race([io.readStdin(), late]));
    return asked !== undefined && /^\d{1,9}(?:\.\d{1,9}){0,2}$/u.test(asked) ? asked : newestVersion;
  } catch {
    return newestVersion;
  } finally {
    clearTimeout(timer);
  }
}

async function readConfig(io: PluginIo): Promise<string> {
  try {
    return await io.readStdin();
  } catch (error) {
    throw new CniError(codes.ioFailure, `error reading from stdin: ${systemReason(error)}`, undefined, {
      cause: error,
    });
  }
}

/**
 * Whether CNI_NETNS is the namespace that we are in. A path that cannot be opened is not: ADD and CHECK say so
 * themselves.
 */
async function isOwnNetns(request: Request, io: PluginIo): Promise<boolean> {
  if (request.verb !== 'ADD' && request.verb !== 'DEL') return false;
  if (request.netns === '' || ['1', 'TRUE'].includes((io.env['CNI_NETNS_OVERRIDE'] ?? '').toUpperCase())) return false;
  return (await io.ownNetns?.(request.netns, request)) === true;
}

/**
 * The number of a process that has ended may be the host's own by now. The reference looks after the verb, when the
 * host's interfaces have been touched; we touch nothing there: an ADD is refused, a DEL removes what is on record of
 * the attachment as for a namespace that is gone, and then says so.
 */
async function leaveOwnNetns(verbs: PluginVerbs, request: Request, io: PluginIo): Promise<never> {
  if (request.verb === 'DEL') await perform(verbs, { ...request, netns: '' }, io);
  throw new CniError(
    codes.invalidNetns,
    "plugin's netns and netns from CNI_NETNS should not be the same",
    `CNI_NETNS is ${JSON.stringify('netns' in request ? request.netns : '')}; CNI_NETNS_OVERRIDE=1 allows it`,
  );
}

async function perform(verbs: PluginVerbs, request: Request, io: PluginIo): Promise<void> {
  switch (request.verb) {
    case 'ADD':
      return print(io, await add(verbs, request, io));
    case 'DEL':
      if (request.prevResultError !== undefined)
        io.stderr(`Going on without "prevResult": ${request.prevResultError.message}\n`);
      return verbs.del(request);
    case 'CHECK':
      return verbs.check(request);
    case 'GC':
      return verbs.gc(request);
    case 'STATUS':
      return verbs.status(request);
  }
}

async function add(verbs: PluginVerbs, request: AttachmentRequest, io: PluginIo): Promise<WireResult> {
  const result = await verbs.add(request);
  const { cniVersion } = request.config;
  if ('passThrough' in result) return { ...(result.passThrough as object | null | undefined), cniVersion };
  try {
    return resultToWire(result, cniVersion);
  } catch (error) {
    // A failed ADD leaves nothing behind, and the plugin takes this one for done.
    await verbs
      .del({ ...request, verb: 'DEL' })
      .catch((second: unknown) => io.stderr(`Cannot undo the ADD: ${toWireError(second, cniVersion).msg}\n`));
    throw error;
  }
}

/** Version to put into an error object: that of the configuration, whether we speak it or not. */
function versionOf(stdin: string): string {
  const told = toldVersion(stdin);
  return told === undefined ? newestVersion : told || assumedVersion;
}

/** What "cniVersion" of a configuration is: empty when it has none, undefined when it cannot be read. */
function toldVersion(stdin: string): string | undefined {
  if (stdin.length > longestConfig) return undefined;
  try {
    const config: unknown = JSON.parse(stdin);
    if (typeof config !== 'object' || config === null || Array.isArray(config)) return undefined;
    const version = new Map(Object.entries(config)).get('cniVersion') ?? '';
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

/** Four spaces and no newline at the end, as the reference prints. */
function print(io: PluginIo, value: WireResult): void {
  io.stdout(JSON.stringify(value, null, 4));
}
