import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, run } from '../host/run.ts';
import { visibleLines } from '../text/visible.ts';
import { jsonReason } from '../text/json-problem.ts';
import { CniError, codes } from './errors.ts';
import { Fields, quote } from './fields.ts';
import { missing } from './environment.ts';
import type { AttachmentId, Request } from './request.ts';
import { resultFromWire } from './result.ts';
import type { Result } from './result.ts';
import { compareVersions, isSupported } from './versions.ts';
import type { SpecVersion } from './versions.ts';

/** One plugin that another one runs, and what it is told; made of a request, or of a record when there is none. */
export interface Delegation {
  /** File name of the plugin: "dhcp". */
  readonly type: string;
  /** Folders to look for it, in order: CNI_PATH. */
  readonly path: readonly string[];
  /** The whole configuration of the delegating plugin, as JSON. */
  readonly conf: string;
  readonly cniVersion: SpecVersion;
  /** Absent for GC and STATUS. */
  readonly id?: AttachmentId;
  readonly netns?: string;
  /** CNI_ARGS. */
  readonly args?: string;
  /** Takes what the plugin prints for people; ours is stderr unless told otherwise. */
  readonly stderr?: (text: string) => void;
}

/** Tells a plugin of this type what we were told ourselves (SPEC.md 1.1.0, section 4, "Plugin Delegation"). */
export function delegationOf(request: Request, type: string): Delegation {
  const { config, path, argsText } = request;
  const common = { type, path, conf: config.text, cniVersion: config.cniVersion, args: argsText };
  return 'id' in request ? { ...common, id: request.id, netns: request.netns } : common;
}

/**
 * Runs ADD and returns the result, "null" on stdout being an empty one. When it fails, DEL is run before
 * the error is thrown, as the specification asks: the caller has made sure that the attachment does not
 * exist yet, since that DEL would take the addresses of one that does.
 *
 * Every function here throws the plugin's own error with its code, code 100 when there is none to read, code
 * 7 when the plugin is in none of the folders, and code 4 when CNI_PATH names none.
 */
export async function delegateAdd(delegation: Delegation): Promise<Result> {
  try {
    const stdout = await execute('ADD', delegation);
    const result = decode(stdout, delegation.type);
    return resultFromWire(result, versionTold(result) ?? delegation.cniVersion, {
      path: `result of ${delegation.type}`,
      code: codes.decodingFailure,
    });
  } catch (error) {
    await delegateDel(delegation).catch(() => {});
    throw error;
  }
}

/** Runs DEL. Also undoes an ADD: the command is set here, not taken from the environment. */
export async function delegateDel(delegation: Delegation): Promise<void> {
  await execute('DEL', delegation);
}

/** Runs CHECK; nothing for a configuration older than 0.4.0, which has no such verb. */
export async function delegateCheck(delegation: Delegation): Promise<void> {
  if (compareVersions(delegation.cniVersion, '0.4.0') >= 0) await execute('CHECK', delegation);
}

/** Runs GC; nothing for a configuration older than 1.1.0, which has no such verb. */
export async function delegateGc(delegation: Delegation): Promise<void> {
  if (compareVersions(delegation.cniVersion, '1.1.0') >= 0) await execute('GC', delegation);
}

/**
 * Runs STATUS; nothing for a configuration older than 1.1.0. A plugin that is not there is code 50: ADD cannot work.
 */
export async function delegateStatus(delegation: Delegation): Promise<void> {
  if (compareVersions(delegation.cniVersion, '1.1.0') < 0) return;
  try {
    findPlugin(delegation);
  } catch (error) {
    if (error instanceof CniError) throw new CniError(codes.notAvailable, error.message, error.details);
    throw error;
  }
  await execute('STATUS', delegation);
}

/**
 * The first regular file of that name, symbolic links followed. Throws code 7 for a type with a path
 * separator, which would reach out of CNI_PATH, and for one that is in none of the folders.
 */
export function findPlugin({ type, path }: Pick<Delegation, 'type' | 'path'>): string {
  if (type === '' || type === '.' || type === '..' || /[/\\\0]/.test(type)) {
    throw new CniError(codes.invalidConfig, `Invalid plugin type ${quote(type)}: the name of a file is expected`);
  }
  if (path.length === 0) throw missing(['CNI_PATH']);
  for (const folder of path) {
    const file = `${folder}/${type}`;
    if (isRegularFile(file)) return file;
  }
  throw new CniError(
    codes.invalidConfig,
    `Cannot find plugin ${quote(type)}: it is not in ${path.map(quote).join(', ')}`,
    'Install the plugin there, or name another type',
  );
}

/** A folder that cannot be read counts as one without the plugin: the next folder may have it. */
function isRegularFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

type DelegatedVerb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

/** Milliseconds for a delegated verb: a DHCP server may take a minute to answer. */
const deadline = 120_000;

/** Tells a plugin that it runs on behalf of another one, of which type: see {@link refuseLoop}. */
const loopVariable = 'DRAWBRIDGE_DELEGATED_TYPE';

async function execute(verb: DelegatedVerb, delegation: Delegation): Promise<string> {
  refuseLoop(delegation.type);
  const file = findPlugin(delegation);
  const forward = delegation.stderr ?? ((text: string) => void process.stderr.write(visibleLines(text)));
  try {
    const { stdout, stderr } = await runPatiently(file, {
      input: delegation.conf,
      env: environment(verb, delegation),
      deadline,
    });
    if (stderr !== '') forward(stderr);
    return stdout;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (error.stderr !== '') forward(error.stderr);
    throw pluginError(error, verb, delegation.type) ?? error;
  }
}

/** `"ipam": {"type": "drawbridge"}` would start itself until the host has no process left. */
function refuseLoop(type: string): void {
  if (process.env[loopVariable] === type)
    throw new CniError(codes.invalidConfig, `Invalid plugin type ${quote(type)}: it delegates to itself`);
}

/** The rest of the environment is ours. What does not apply is empty and not absent, as libcni has it. */
function environment(verb: DelegatedVerb, { type, path, id, netns, args }: Delegation): Record<string, string> {
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: id?.containerId ?? '',
    CNI_NETNS: netns ?? '',
    CNI_IFNAME: id?.ifname ?? '',
    CNI_ARGS: args ?? '',
    CNI_PATH: path.join(':'),
    [loopVariable]: type,
  };
}

/**
 * Milliseconds between the tries to start a file that is still being written (ETXTBSY): it is being installed. libcni
 * tries again, too.
 */
const pauses = [50, 100, 200, 400, 800];

async function runPatiently(file: string, options: Parameters<typeof run>[2]): ReturnType<typeof run> {
  for (const pause of pauses) {
    try {
      return await run(file, [], options);
    } catch (error) {
      if (!mayStartLater(error)) throw error;
    }
    await sleep(pause);
  }
  return run(file, [], options);
}

/** Only what never ran is started again: a plugin that was killed would do its work twice. */
function mayStartLater(error: unknown): boolean {
  return error instanceof CommandError && (error.startError === 'ETXTBSY' || error.startError === '');
}

/** The error object that the plugin printed; undefined when it printed none. */
function pluginError(error: CommandError, verb: DelegatedVerb, type: string): CniError | undefined {
  try {
    const fields = new Fields(JSON.parse(error.stdout));
    const message = fields.string('msg');
    if (message === undefined) return undefined;
    return new CniError(
      fields.integer('code', { min: 1 }) ?? codes.internal,
      `Plugin ${quote(type)} failed on ${verb}: ${message}`,
      fields.string('details'),
      { cause: error },
    );
  } catch {
    return undefined;
  }
}

/**
 * A plugin may answer in a version of its own, which libcni then converts; without one it is that of the configuration.
 */
function versionTold(result: unknown): SpecVersion | undefined {
  const told = new Map(Object.entries(result ?? {})).get('cniVersion') as unknown;
  return typeof told === 'string' && isSupported(told) ? told : undefined;
}

function decode(stdout: string, type: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch (error) {
    const reason = stdout.trim() === '' ? 'it printed nothing' : jsonReason(stdout);
    throw new CniError(
      codes.decodingFailure,
      `Cannot decode the result of plugin ${quote(type)}: it is not JSON`,
      reason,
      { cause: error },
    );
  }
}
