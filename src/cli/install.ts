import { existsSync, linkSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path/posix';
import { CniError, codes } from '../cni/errors.ts';
import { replaceFile, replaceLink } from '../host/files.ts';
import { findProgram, runNow } from '../host/run.ts';
import { isAlive } from '../records/alive.ts';
import { listRecords } from '../records/store.ts';
import { isUnclear } from '../repair/orphans/unclear.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { itemsFor } from './install/files.ts';
import type { Item } from './install/item.ts';
import {
  describePath,
  hashOf,
  isOurExecutable,
  isSame,
  readManifest,
  writeManifest,
  type InstalledFile,
} from '../repair/manifest.ts';
import { printTable } from './table.ts';
import { printJson, type Terminal } from './terminal.ts';
import { systemReason } from '../text/system-error.ts';

interface Step extends Item {
  /** "keep": what is there stays, and `beside` gets ours. */
  readonly action: 'new' | 'update' | 'same' | 'replace' | 'keep';
  /** What the manifest says of it afterwards. */
  readonly wanted: InstalledFile;
  /** Where ours is written: the path itself, or NAME.new beside what stays. */
  readonly beside: string;
}

interface Circumstances {
  readonly mayReplace: boolean;
  /** Containers run: the network that they were given must not become another one. */
  readonly isInUse: boolean;
}

/** Puts the executable, links, a network and the agent's unit in place. Looks at all of it before it writes any. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const binDir = folderOf(invocation, 'bin-dir', '/opt/cni/bin');
  const confDir = folderOf(invocation, 'conf-dir', '/etc/cni/net.d');
  const circumstances = { mayReplace: options['replace'] === true, isInUse: await isInUse() };
  const { commands, version } = invocation;
  const items = itemsFor({ binDir, confDir, isDropIn: options['drop-in'] === true, commands, version });
  const planned = items.map((item) => plan(item, circumstances));
  refuseForeign(planned, circumstances.mayReplace);
  const needed = planned.filter(({ shownAs }) => shownAs === undefined);
  for (const step of needed) carryOut(step);
  const { done, why } = carryOutPages(planned.filter(({ shownAs }) => shownAs !== undefined));
  const steps = [...needed, ...done];
  if (why !== undefined) terminal.note(`${terminal.paint.warn('!')} Without manual pages and completions: ${why}`);
  if (options['json'] === true)
    printJson(
      terminal,
      steps.map(({ path, about, action }) => ({ path, about, action })),
    );
  else {
    print(steps, terminal);
    if (nerdctlLacks(binDir))
      terminal.note(
        `${terminal.paint.warn('!')} nerdctl makes a network of plugins named bridge, portmap, firewall and tuning before its first container, and "${binDir}" has no "bridge": "drawbridge install --drop-in" puts ours there`,
      );
  }
  return 0;
}

/** Whatever network a container of nerdctl is to have, nerdctl refuses to run it without these plugins. */
function nerdctlLacks(binDir: string): boolean {
  return findProgram('nerdctl') !== undefined && !existsSync(`${binDir}/bridge`);
}

function folderOf(invocation: Invocation, name: string, usual: string): string {
  const folder = valueOf(invocation, name) ?? usual;
  if (!isAbsolute(folder)) throw new UsageError(`Cannot install into "${folder}": --${name} takes an absolute path`);
  return folder.replace(/(?<=.)\/+$/, '');
}

async function isInUse(): Promise<boolean> {
  return listRecords().records.some(isAlive) || isUnclear();
}

/**
 * Ours is what the manifest says that we wrote, what is the same as what we would write, and an executable of ours that
 * was put there in another way. What an operator edits is theirs from the first change on: it stays, and so does, while
 * containers run, the network that we wrote ourselves.
 */
function plan(item: Item, { mayReplace, isInUse: isUsed }: Circumstances): Step {
  const { path, content, target, edited, shownAs } = item;
  const wanted: InstalledFile = target === undefined ? { path, sha256: hashOf(content ?? '') } : { path, target };
  const present = describePath(path);
  const earlier = readManifest().find((file) => file.path === path);
  const ours = { ...item, beside: path, wanted: { ...wanted, ...keptOf(earlier) } };
  if (present === undefined) return { ...ours, action: 'new' };
  if (isSame(present, wanted)) return { ...ours, action: 'same' };
  const isUnchanged = earlier !== undefined && isSame(present, earlier);
  if ((edited === 'network' && isUsed) || (edited !== undefined && !isUnchanged && !mayReplace)) {
    const beside = `${path}.new`;
    return { ...item, action: 'keep', beside, wanted: { ...wanted, path: beside } };
  }
  return isUnchanged || shownAs !== undefined || (edited === undefined && isOurExecutable(path, content))
    ? { ...ours, action: 'update' }
    : { ...item, beside: path, wanted: { ...wanted, kept: `${path}.before-drawbridge` }, action: 'replace' };
}

function keptOf(earlier: InstalledFile | undefined): Pick<InstalledFile, 'kept'> {
  return earlier?.kept === undefined ? {} : { kept: earlier.kept };
}

function refuseForeign(steps: readonly Step[], mayReplace: boolean): void {
  const foreign = steps.filter(({ action }) => action === 'replace');
  if (mayReplace || foreign.length === 0) return;
  const paths = foreign.map(({ path }) => `"${path}"`).join(', ');
  throw new CniError(
    codes.conflict,
    `Cannot install: ${paths} ${foreign.length === 1 ? 'is' : 'are'} there already, and not written by "drawbridge install", or changed since`,
    'Nothing was changed. "--replace" puts ours in place and keeps the other as NAME.before-drawbridge, which "uninstall" puts back',
  );
}

/**
 * Pages are for people, and /usr is mounted for reading alone on many a host: where one cannot be written the others
 * are left out too, and the reason is told.
 */
function carryOutPages(pages: readonly Step[]): { readonly done: readonly Step[]; readonly why?: string } {
  const done: Step[] = [];
  for (const page of pages) {
    try {
      carryOut(page);
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      return { done, why: error.message };
    }
    done.push(page);
  }
  return { done };
}

/** Written under another name and renamed: nobody ever sees a half, and a plugin that runs goes on with the old one. */
function carryOut({ path, beside, content, target, mode, action, wanted }: Step): void {
  try {
    if (action !== 'same') {
      const beforeRename = (draft: string): void => {
        if (Buffer.isBuffer(content)) askVersion(draft, path);
        if (action === 'replace' && wanted.kept !== undefined) keep(path, wanted.kept);
      };
      if (target === undefined) replaceFile(beside, content ?? '', { mode, folderMode: 0o755, beforeRename });
      else replaceLink(beside, target, { beforeRename });
    }
  } catch (cause) {
    if (cause instanceof CniError) throw cause;
    throw new CniError(
      codes.ioFailure,
      `Cannot install "${path}": ${systemReason(cause)}`,
      'Make its folder writable, or name another with --bin-dir or --conf-dir',
      { cause },
    );
  }
  // After each: what is in place is known also when the next one fails.
  writeManifest([...readManifest().filter((file) => file.path !== wanted.path), wanted]);
}

/**
 * A copy that does not run where it is put would fail each ADD: the folder is mounted without exec, or it is the
 * host's, of another C library than that of the image that installs. So what is there stays until the copy has
 * answered.
 */
function askVersion(draft: string, path: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'drawbridge-'));
  try {
    // It looks at the name that it is called by.
    const called = join(folder, 'drawbridge');
    symlinkSync(draft, called);
    const { stdout } = runNow(called, [], { input: '{"cniVersion":"1.1.0"}', env: { CNI_COMMAND: 'VERSION' } });
    if (stdout.includes('"supportedVersions"')) return;
    throw new TypeError(`it says "${stdout.trim().slice(0, 200)}"`);
  } catch (cause) {
    const why = cause instanceof CniError ? (cause.details ?? cause.message) : systemReason(cause);
    throw new CniError(
      codes.commandFailed,
      `Cannot install "${path}": the copy does not answer VERSION as a CNI plugin${why === '' ? '' : `: ${why}`}`,
      'Nothing was changed; name a folder of programs with --bin-dir, and install from this host itself',
      { cause },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By a second name, and not by renaming: a runtime meets either plugin, and never none. */
function keep(path: string, as: string): void {
  rmSync(as, { force: true });
  linkSync(path, as);
}

const actionWords = { new: 'new', update: 'updated', same: 'as it was', replace: 'replaced', keep: 'kept' } as const;

function print(steps: readonly Step[], terminal: Terminal): void {
  const { out, note, paint } = terminal;
  const lines = Map.groupBy(steps, ({ path, shownAs, action }) => `${action} ${shownAs ?? path}`);
  const rows = [...lines.values()].map(([first, ...more]) => {
    const { path = '', shownAs = path, about = '', aboutMany = about, action = 'same' } = first ?? {};
    return [
      action === 'replace' || action === 'keep' ? paint.warn(actionWords[action]) : actionWords[action],
      shownAs,
      more.length === 0 ? about : `${more.length + 1} ${aboutMany}`,
    ];
  });
  printTable(terminal, [{ title: 'WHAT' }, { title: 'PATH', narrowest: 24 }, { title: 'ABOUT', narrowest: 16 }], rows);
  for (const { path, action, wanted } of steps)
    if (action === 'replace') note(`${paint.warn('!')} "${path}" was not ours; it is kept as "${wanted.kept}"`);
  for (const { path, beside, action } of steps)
    if (action === 'keep')
      note(
        `${paint.warn('!')} "${path}" is not as "drawbridge install" would write it and stays as it is; ours is beside it, in "${beside}": take over from there what you want`,
      );
  out('');
  out('Runtimes that read that folder attach containers from now on.');
  if (steps.some(({ path }) => path.endsWith('.service')))
    out(
      `Names that change, wildcards and repair need the agent: ${paint.link('systemctl daemon-reload && systemctl enable --now drawbridge-agent')}`,
    );
}
