import { existsSync, readFileSync } from 'node:fs';
import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest, StatusRequest } from '../../../cni/request.ts';
import type { Result } from '../../../cni/result.ts';
import type { PassThrough } from '../../../cni/serve.ts';
import { applyCommands } from '../../../host/apply.ts';
import { runIn, showJson } from '../../../host/ip.ts';
import { LinkError } from '../../../host/link-error.ts';
import { netnsExists } from '../../../host/netns.ts';
import type { LinkCommand } from '../../../links/command.ts';
import { writeSysctlsIn } from '../../../host/sysctl.ts';
import { commit } from '../../../records/commit.ts';
import { requirePrograms } from '../../status.ts';
import { warn } from '../../../cni/warn.ts';
import { requirePrevResult } from '../portmap/conf.ts';
import { currentRecord, passThrough } from '../section.ts';
import { readBackup, removeBackup, writeBackup } from './backup.ts';
import { allowlistFile, parseDataDir, parseTuningConf, planTuning, type LinkTuning } from './conf.ts';
import { systemReason } from '../../../text/system-error.ts';

/**
 * Changes sysctls of the container's namespace and settings of its interface, and remembers what those were. Without
 * anything to change the result passes unchanged; a changed MAC or MTU is written into it.
 */
export async function add(request: AttachmentRequest): Promise<Result | PassThrough> {
  const { link, sysctls } = parseTuningConf(request, readAllowlist());
  requirePrevResult('tuning', request);
  const { netns, id } = request;
  const commands = planTuning(id.ifname, link);
  if (commands.length > 0) await changeLink(request, link, commands);
  await writeSysctlsIn(netns, sysctls);
  return commands.length === 0 ? passThrough(request) : tuned(request, link);
}

/** Restores what ADD changed of the interface. An interface or a namespace that is gone needs nothing. */
export async function del({ config, netns, id }: AttachmentRequest): Promise<void> {
  const dataDir = parseDataDir(config.fields);
  const before = readBackup(dataDir, id);
  if (before !== undefined && netnsExists(netns)) {
    try {
      await applyCommands(planTuning(id.ifname, before), { netns });
    } catch (error) {
      if (!(error instanceof LinkError && (error.reason === 'missing' || error.reason === 'netns')))
        warn(`Cannot restore "${id.ifname}": ${String(error)}`);
    }
  }
  removeBackup(dataDir, id);
}

/** Throws code 103 naming what is not as the conf has it. */
export async function check(request: AttachmentRequest): Promise<void> {
  const { link, sysctls } = parseTuningConf(request, readAllowlist());
  const { netns, id } = request;
  const found = await readLink(request);
  const settings = Object.entries(link).filter(([key, value]) => found[key as keyof LinkTuning] !== value);
  const files = sysctls.map(({ file }) => `/proc/sys/net/${file}`);
  const values = files.length === 0 ? [] : (await runIn(netns, 'cat', files)).stdout.split('\n');
  const differences = [
    ...settings.map(
      ([key, value]) =>
        `"${key}" of "${id.ifname}" is ${JSON.stringify(found[key as keyof LinkTuning])} and not ${JSON.stringify(value)}`,
    ),
    ...sysctls.flatMap(({ file, value }, index) =>
      squeezed(values[index] ?? '') === squeezed(value)
        ? []
        : [`"net/${file}" is ${JSON.stringify(values[index])} and not ${JSON.stringify(value)}`],
    ),
  ];
  if (differences.length > 0)
    throw new CniError(
      codes.checkFailed,
      `The container is not tuned as asked: ${differences[0] ?? ''}`,
      differences.join('; '),
    );
}

/** The backups of interfaces that are gone are small, and go at reboot. */
export async function gc(): Promise<void> {}

export async function status(request: StatusRequest): Promise<void> {
  parseTuningConf({ ...request, id: { ifname: 'eth0' } }, readAllowlist());
  parseDataDir(request.config.fields);
  requirePrograms(['ip', 'nsenter']);
}

function readAllowlist(): string | undefined {
  if (!existsSync(allowlistFile)) return undefined;
  try {
    return readFileSync(allowlistFile, 'utf8');
  } catch (cause) {
    throw new CniError(codes.ioFailure, `Cannot read "${allowlistFile}": ${systemReason(cause)}`, undefined, {
      cause,
    });
  }
}

async function changeLink(
  request: AttachmentRequest,
  link: LinkTuning,
  commands: readonly LinkCommand[],
): Promise<void> {
  const { config, netns, id } = request;
  const dataDir = parseDataDir(config.fields);
  const found = await readLink(request);
  const before = Object.fromEntries(Object.entries(found).filter(([key]) => key in link)) as LinkTuning;
  writeBackup(dataDir, id, before);
  try {
    await applyCommands(commands, { netns });
    await remember(request, link);
  } catch (error) {
    await del(request);
    throw error;
  }
}

/**
 * What we made ourselves is on record with the MAC that it may send with, and with an MTU that old results cannot tell.
 */
async function remember(request: AttachmentRequest, { mac, mtu }: LinkTuning): Promise<void> {
  const record = currentRecord(request);
  if (record === undefined || (mac === undefined && mtu === undefined)) return;
  const changed = { ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { containerMtu: mtu }) };
  const next = {
    ...record,
    ...(record.link === undefined ? {} : { link: { ...record.link, ...changed } }),
    ...(record.egress === undefined || mac === undefined ? {} : { egress: { ...record.egress, mac } }),
  };
  const { warnings } = await commit({ put: next }, { replaces: record });
  warnings.forEach(warn);
}

async function readLink({ verb, netns, id }: AttachmentRequest): Promise<Required<LinkTuning>> {
  const [shown] = ((await showJson(['link', 'show', 'dev', id.ifname], { netns })) ?? []) as ShownLink[];
  if (shown === undefined)
    throw new CniError(
      // Not 3: that would promise a runtime that nothing of the plugins before needs a DEL.
      verb === 'CHECK' ? codes.checkFailed : codes.invalidConfig,
      `Cannot tune "${id.ifname}" in "${netns}": there is no such interface`,
      '"tuning" is chained: put it after the plugin that makes the interface',
    );
  const { address = '', mtu = 0, txqlen = 0, flags = [] } = shown;
  return {
    mac: address,
    mtu,
    txQLen: txqlen,
    promisc: flags.includes('PROMISC'),
    allmulti: flags.includes('ALLMULTI'),
  };
}

function tuned(request: AttachmentRequest, { mac, mtu }: LinkTuning): Result | PassThrough {
  const { prevResult, id, netns } = request;
  if (prevResult === undefined) return passThrough(request);
  const changed = { ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) };
  const interfaces = prevResult.interfaces.map((one) =>
    one.name === id.ifname && one.sandbox === netns ? { ...one, ...changed } : one,
  );
  return { ...prevResult, interfaces };
}

/** The kernel answers with tabs between the parts of a value. */
function squeezed(value: string): string {
  return value.trim().replaceAll(/\s+/gu, ' ');
}

/** What `ip -json link show` prints. */
interface ShownLink {
  readonly address?: string;
  readonly mtu?: number;
  readonly txqlen?: number;
  readonly flags?: readonly string[];
}
