import { existsSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path/posix';
import { CniError, codes } from '../cni/errors.ts';
import { findProgram } from '../host/run.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { itemsFor, type Item } from './install/files.ts';
import { describePath, hashOf, isSame, readManifest, writeManifest, type InstalledFile } from './install/manifest.ts';
import { printTable } from './table.ts';
import { printJson, type Terminal } from './terminal.ts';
import { systemReason } from '../text/system-error.ts';

interface Step extends Item {
  readonly action: 'new' | 'update' | 'same' | 'replace';
  readonly wanted: InstalledFile;
}

/** Puts the executable, links, a network and the agent's unit in place. Looks at all of it before it writes any. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const binDir = folderOf(invocation, 'bin-dir', '/opt/cni/bin');
  const confDir = folderOf(invocation, 'conf-dir', '/etc/cni/net.d');
  const steps = itemsFor({ binDir, confDir, isDropIn: options['drop-in'] === true }).map(plan);
  refuseForeign(steps, options['replace'] === true);
  for (const step of steps) carryOut(step);
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

/** Ours is what the manifest says that we wrote, and what is the same as what we would write. */
function plan(item: Item): Step {
  const { path, content, target } = item;
  const wanted: InstalledFile = target === undefined ? { path, sha256: hashOf(content ?? '') } : { path, target };
  const present = describePath(path);
  const earlier = readManifest().find((file) => file.path === path);
  if (present === undefined) return { ...item, wanted: { ...wanted, ...keptOf(earlier) }, action: 'new' };
  if (isSame(present, wanted)) return { ...item, wanted: { ...wanted, ...keptOf(earlier) }, action: 'same' };
  const isOurs = earlier !== undefined && isSame(present, earlier);
  return isOurs
    ? { ...item, wanted: { ...wanted, ...keptOf(earlier) }, action: 'update' }
    : { ...item, wanted: { ...wanted, kept: `${path}.before-drawbridge` }, action: 'replace' };
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

/** Written under another name and renamed: nobody ever sees a half, and a plugin that runs goes on with the old one. */
function carryOut({ path, content, target, mode, action, wanted }: Step): void {
  try {
    if (action !== 'same') {
      mkdirSync(dirname(path), { recursive: true });
      const draft = `${path}.new-${process.pid}`;
      rmSync(draft, { force: true });
      if (target === undefined) writeFileSync(draft, content ?? '', { mode });
      else symlinkSync(target, draft);
      if (action === 'replace' && wanted.kept !== undefined) keep(path, wanted.kept);
      renameSync(draft, path);
    }
  } catch (cause) {
    throw new CniError(
      codes.ioFailure,
      `Cannot install "${path}": ${systemReason(cause)}`,
      'Make its folder writable, or name another with --bin-dir or --conf-dir',
      { cause },
    );
  }
  // After each: what is in place is known also when the next one fails.
  writeManifest([...readManifest().filter((file) => file.path !== path), wanted]);
}

/** By a second name, and not by renaming: a runtime meets either plugin, and never none. */
function keep(path: string, as: string): void {
  rmSync(as, { force: true });
  linkSync(path, as);
}

const actionWords = { new: 'new', update: 'updated', same: 'as it was', replace: 'replaced' } as const;

function print(steps: readonly Step[], terminal: Terminal): void {
  const { out, note, paint } = terminal;
  const rows = steps.map(({ path, about, action }) => [
    action === 'replace' ? paint.warn(actionWords[action]) : actionWords[action],
    path,
    about,
  ]);
  printTable(terminal, [{ title: 'WHAT' }, { title: 'PATH', narrowest: 24 }, { title: 'ABOUT', narrowest: 16 }], rows);
  for (const { path, action, wanted } of steps)
    if (action === 'replace') note(`${paint.warn('!')} "${path}" was not ours; it is kept as "${wanted.kept}"`);
  out('');
  out('Runtimes that read that folder attach containers from now on.');
  if (steps.some(({ path }) => path.endsWith('.service')))
    out(
      `Names that change, wildcards and repair need the agent: ${paint.link('systemctl daemon-reload && systemctl enable --now drawbridge-agent')}`,
    );
}
