/**
 * /var/lib/drawbridge/install.json: what `install` put in place, so that `uninstall` removes that and nothing else.
 *
 *   {"version": 1, "files": [{"path", "sha256" | "target", "kept"}]}
 *
 * "sha256" is of a file's content, "target" where a link leads; "kept" is the name that a foreign file got which
 * stood there before.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { stateDir } from '../host/paths.ts';
import { readText, writeWhole } from '../host/state-file.ts';

export interface InstalledFile {
  readonly path: string;
  readonly sha256?: string;
  readonly target?: string;
  readonly kept?: string;
}

const file = `${stateDir}/install.json`;

/** What was installed before; nothing when there is no manifest, or none that can be read. */
export function readManifest(): InstalledFile[] {
  try {
    const { files } = JSON.parse(readText(file) ?? '{"files": []}') as { files?: unknown };
    return Array.isArray(files) ? files.filter(isInstalledFile) : [];
  } catch {
    return [];
  }
}

/** Throws code 5. */
export function writeManifest(files: readonly InstalledFile[]): void {
  writeWhole(file, `${JSON.stringify({ version: 1, files }, null, 1)}\n`, `Cannot write "${file}"`);
}

/** What is at a path, as a manifest would have it; undefined when nothing is. */
export function describePath(path: string): InstalledFile | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (stats.isSymbolicLink()) return { path, target: readlinkSync(path) };
  return stats.isFile() ? { path, sha256: hashOf(readFileSync(path)) } : { path };
}

/** Whether two are the same content, wherever what stood there before is kept. */
export function isSame(one: InstalledFile, other: InstalledFile): boolean {
  return (
    (one.sha256 !== undefined && one.sha256 === other.sha256) ||
    (one.target !== undefined && one.target === other.target)
  );
}

/**
 * Whether a file is some version of our executable, however it came there: it has the name of a variable that we alone
 * read.
 */
export function isOurExecutable(path: string, content: Buffer | string | undefined): boolean {
  if (!Buffer.isBuffer(content)) return false;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && readFileSync(path).includes('DRAWBRIDGE_CHILDREN');
}

export function hashOf(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

function isInstalledFile(value: unknown): value is InstalledFile {
  return typeof value === 'object' && value !== null && typeof (value as InstalledFile).path === 'string';
}
