import { endAccounting } from '../host/accounting.ts';
import { tableNames } from '../nft/element.ts';
import { listReadable } from '../host/files.ts';
import { existsSync, lstatSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { CniError, codes } from '../cni/errors.ts';
import { bridgeGateways, type BridgeGateway } from '../host/bridge-ports.ts';
import { findLink, listLinks } from '../host/interfaces.ts';
import { hardwareAddressOf } from '../links/hardware-address.ts';
import { vlanGatewayNames } from '../links/vlan.ts';
import { applyCommands } from '../host/apply.ts';
import { withLock } from '../host/lock.ts';
import { runDir, stateDir } from '../host/paths.ts';
import { findProgram } from '../host/run.ts';
import { removeTables } from '../dataplane/commit.ts';
import { isAlive, mayBeAlive } from '../records/alive.ts';
import { holdAttachment } from '../records/attachment-lock.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { listRecords, readSoundRecord } from '../records/store.ts';
import { findAll } from './clean.ts';
import { leaseFolders } from '../repair/orphans/leases.ts';
import { readKnown, removeRecorded } from '../repair/orphans/records.ts';
import { isUnclear } from '../repair/orphans/unclear.ts';
import type { Invocation } from './command.ts';
import { describePath, isSame, readManifest, type InstalledFile } from '../repair/manifest.ts';
import { notedQueueForm, removeQueueRule } from '../host/queue-rule.ts';
import { isAgentRunning } from '../repair/survey/agent.ts';
import { readTable } from '../host/held-tables.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';
import { systemReason } from '../text/system-error.ts';

interface Report {
  readonly removed: string[];
  /** What stays on purpose, with the reason. */
  readonly kept: string[];
  readonly errors: string[];
}

/**
 * Removes every rule, link, lease and file of ours, looks once more, and says what is left. Exit status 1 when
 * something is.
 */
export async function run({ options }: Invocation, terminal: Terminal): Promise<number> {
  const isForced = options['force'] === true;
  await refuseRunning(isForced);
  refuseLiving(isForced);
  await refuseUnclear(isForced);
  const report: Report = { removed: [], kept: [], errors: [] };
  const attempt = async (what: string, step: () => unknown): Promise<void> => {
    try {
      if ((await step()) !== false) report.removed.push(what);
    } catch (error) {
      report.errors.push(`${what}: ${systemReason(error)}`);
    }
  };
  for (const record of listRecords().records)
    await attempt(`attachment ${record.containerId}/${record.ifname}`, async () =>
      holdAttachment(record, 'uninstall', async () => removeNow(record, isForced)),
    );
  // One may have come while others were waited for.
  refuseLiving(isForced);
  const folders = leaseFolders([]);
  const bridges = usedBridges();
  const { findings, problems } = await findAll(readKnown(), false);
  report.errors.push(...problems);
  for (const { kind, name, remove, why } of findings) {
    if (remove === undefined) report.errors.push(`${kind} ${name}: ${why}`);
    else await attempt(`${kind} ${name}`, remove);
  }
  for (const bridge of bridges) await attempt(`bridge ${bridge}`, async () => removeBridge(bridge, report));
  await attempt('the queue of first bytes', async () => {
    if (notedQueueForm() === undefined) return false;
    await removeQueueRule();
    return true;
  });
  await attempt('setting nf_conntrack_acct', endAccounting);
  // Records and rules go together, and not those of a container that came since the last look.
  await withLock('tables', 'uninstall', async () => {
    refuseLiving(isForced);
    if (findProgram('nft') !== undefined && (await readTable('inet drawbridge')) !== undefined)
      await attempt('tables "inet drawbridge" and "bridge drawbridge"', removeTables);
    await attempt(`folder ${runDir}`, () => removeFolder(runDir));
  });
  for (const folder of folders) await attempt(`lease folder ${folder}`, () => removeLeaseFolder(folder, report));
  const manifest = readManifest();
  for (const file of manifest) await attempt(`file ${file.path}`, () => removeFile(file, report));
  await attempt(`folder ${stateDir}`, () => removeFolder(stateDir));
  if (existsSync('/etc/drawbridge')) report.kept.push('/etc/drawbridge: policies are yours');
  const left = await leftovers(manifest, report);
  if (options['json'] === true) printJson(terminal, { ...report, left });
  else print(report, left, terminal);
  return left.length + report.errors.length === 0 ? 0 : 1;
}

/**
 * Whoever had the lock before may have removed it, or added it again. Returns false when there is nothing to remove.
 */
async function removeNow({ key }: AttachmentRecord, isForced: boolean): Promise<boolean> {
  const now = readSoundRecord(key);
  if (now === undefined || (!isForced && isAlive(now))) return false;
  await removeRecorded(now);
  return true;
}

/** It would put back what is removed. */
async function refuseRunning(isForced: boolean): Promise<void> {
  if (isForced || !(await isAgentRunning())) return;
  throw new CniError(
    codes.conflict,
    'Cannot uninstall: the agent is running',
    'Stop it first: systemctl disable --now drawbridge-agent',
  );
}

/** Records that are elsewhere or lost say nothing of containers that go on under our rules. */
async function refuseUnclear(isForced: boolean): Promise<void> {
  if (isForced || !(await isUnclear())) return;
  throw new CniError(
    codes.conflict,
    `Cannot uninstall: rules of drawbridge are in force here for containers whose records are not in "${runDir}" of this root`,
    'Uninstall where their runtime runs, or stop them first; "--force" cuts them off',
  );
}

/** So many containers are named. */
const mostNamed = 5;

function refuseLiving(isForced: boolean): void {
  const { records, broken } = listRecords();
  const living = [
    ...records.filter(isAlive).map(({ containerId }) => shownName(containerId)),
    ...broken.filter(mayBeAlive).map(({ file }) => `"${file}"`),
  ];
  if (isForced || living.length === 0) return;
  const ids = [...new Set(living)];
  const more = ids.length - mostNamed;
  throw new CniError(
    codes.conflict,
    `Cannot uninstall: ${count(ids.length, 'container')} ${ids.length === 1 ? 'is' : 'are'} attached (${ids.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''})`,
    'Stop them first; "--force" cuts them off',
  );
}

/** Bridges that containers of ours were on: they have a note. */
function usedBridges(): string[] {
  return listReadable(`${runDir}/bridges`)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((bridge) => findLink(bridge)?.kind === 'bridge');
}

/** One with ports of others is theirs too, and so is one that somebody else made. */
async function removeBridge(bridge: string, { kept }: Report): Promise<boolean> {
  const gateways = bridgeGateways().filter((one) => one.bridge === bridge && isOurGateway(one));
  for (const { name } of gateways) await applyCommands([{ kind: 'deleteLink', name }]);
  const ports = listLinks().flatMap(({ name, master }) => (master === bridge ? [name] : []));
  if (ports.length > 0) {
    kept.push(
      `bridge ${bridge}: ${ports.join(', ')} ${ports.length === 1 ? 'is' : 'are'} on it, which ${ports.length === 1 ? 'is' : 'are'} not ours`,
    );
    return false;
  }
  if (findLink(bridge)?.mac !== hardwareAddressOf(bridge)) {
    kept.push(`bridge ${bridge}: it was there before us (it does not have the MAC address of one that we make)`);
    return false;
  }
  await applyCommands([{ kind: 'deleteLink', name: bridge }]);
  return true;
}

/** Gateways in VLANs have names that follow from the bridge and the VLAN. */
function isOurGateway({ name, bridge, port }: BridgeGateway): boolean {
  const own = vlanGatewayNames(bridge, Number(name.slice(bridge.length + 1)));
  return own.name === name && own.port === port;
}

/** What is left in it when the leases are gone is a lock and what was given last. */
function removeLeaseFolder(folder: string, { kept }: Report): boolean {
  if (!existsSync(folder)) return false;
  const files = listReadable(folder);
  const leases = files.filter((name) => name !== 'lock' && !name.startsWith('last_reserved_ip.'));
  if (leases.length > 0) {
    kept.push(`${folder}: ${count(leases.length, 'lease')} of containers that are not ours`);
    return false;
  }
  rmSync(folder, { recursive: true });
  removeIfEmpty(dirname(folder));
  removeIfEmpty(dirname(dirname(folder)));
  return true;
}

/** One that was changed since it was installed is somebody else's work by now. */
function removeFile(file: InstalledFile, { kept }: Report): boolean {
  const present = describePath(file.path);
  if (present !== undefined && !isSame(present, file)) {
    kept.push(`${file.path}: it was changed since it was installed`);
    return false;
  }
  if (present !== undefined) rmSync(file.path);
  if (file.kept !== undefined && lstatSync(file.kept, { throwIfNoEntry: false }) !== undefined)
    renameSync(file.kept, file.path);
  return present !== undefined;
}

function removeFolder(folder: string): boolean {
  if (!existsSync(folder)) return false;
  rmSync(folder, { recursive: true });
  return true;
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Others have something in it.
  }
}

/** The proof: everything that could be ours is looked for once more. */
async function leftovers(manifest: readonly InstalledFile[], { kept }: Report): Promise<string[]> {
  const { findings } = await findAll(readKnown(), false);
  const tables =
    findProgram('nft') === undefined
      ? []
      : await Promise.all(
          tableNames.map(async (table) => ((await readTable(table)) === undefined ? [] : [`table ${table}`])),
        );
  const files = manifest.filter(({ path }) => {
    const present = describePath(path);
    return present !== undefined && manifest.some((file) => file.path === path && isSame(present, file));
  });
  return [
    ...findings.map(({ kind, name }) => `${kind} ${name}`),
    ...listLinks()
      .filter(({ name }) => /^drawbridge\d+$/.test(name) && !kept.some((text) => text.startsWith(`bridge ${name}:`)))
      .map(({ name }) => `interface ${name}`),
    ...tables.flat(),
    ...files.map(({ path }) => `file ${path}`),
    ...[runDir, stateDir].filter((folder) => existsSync(folder)).map((folder) => `folder ${folder}`),
  ];
}

function print({ removed, kept, errors }: Report, left: readonly string[], { out, paint, width }: Terminal): void {
  for (const what of removed) out(`removed  ${what}`);
  for (const what of kept) out(`${paint.warn('kept')}     ${wrap(what, width - 9, ' '.repeat(9))}`);
  for (const what of errors) out(`${paint.bad('failed')}   ${wrap(what, width - 9, ' '.repeat(9))}`);
  for (const what of left) out(`${paint.bad('left')}     ${what}`);
  if (removed.length > 0) out('');
  if (left.length > 0) return out(`${paint.bad('Something of drawbridge is left')}: see above.`);
  out(
    wrap(
      'Nothing of drawbridge is left: no rule, no interface, no lease, no file. Sysctls such as net.ipv4.ip_forward stay as they are, since others may rely on them.',
      width,
    ),
  );
}
