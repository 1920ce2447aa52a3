import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';

let drafts = 0;

export interface WriteOptions {
  /** Of the file; 0600 unless given. */
  readonly mode?: number;
  /** Of its folder, where that has to be made; 0700 unless given. */
  readonly folderMode?: number;
  /** Called with the name of the new one, when that is whole and the old one is still there. */
  readonly beforeRename?: ((draft: string) => void) | undefined;
}

/**
 * Writes a file under another name and renames it: a reader sees the old one or the new one, whole. Makes its folder
 * when that is missing. Throws what the system says.
 */
export function replaceFile(
  file: string,
  content: string | Buffer,
  { mode = 0o600, folderMode = 0o700, beforeRename }: WriteOptions = {},
): void {
  putWhole(file, { folderMode, beforeRename }, (draft) => writeFileSync(draft, content, { mode }));
}

/** As {@link replaceFile}, for a symbolic link. */
export function replaceLink(
  file: string,
  target: string,
  { folderMode = 0o755, beforeRename }: WriteOptions = {},
): void {
  putWhole(file, { folderMode, beforeRename }, (draft) => {
    // A killed process that had our number may have left one.
    rmSync(draft, { force: true });
    symlinkSync(target, draft);
  });
}

function putWhole(
  file: string,
  { folderMode, beforeRename }: { folderMode: number; beforeRename: ((draft: string) => void) | undefined },
  make: (draft: string) => void,
): void {
  const slash = file.lastIndexOf('/');
  const folder = file.slice(0, slash);
  const draft = `${folder}/.${file.slice(slash + 1)}.${process.pid}.${++drafts}`;
  try {
    mkdirSync(folder, { recursive: true, mode: folderMode });
    make(draft);
    beforeRename?.(draft);
    renameSync(draft, file);
  } catch (error) {
    discard(draft);
    throw error;
  }
}

function discard(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // What made the write fail makes this fail; nobody reads the file.
  }
}

/** A file that was being written: what it was to be, and by which process. */
export interface Draft {
  /** Its name in the folder. */
  readonly name: string;
  /** The name that it was to get. */
  readonly of: string;
  /** 0 where the name does not tell; such a one is not running any more. */
  readonly pid: number;
}

/**
 * Drafts of {@link replaceFile} in a folder, and those of 0.1.0, which were called NAME.json.PID, or with part of a
 * UUID in its place. None where it cannot be read.
 */
export function listDrafts(folder: string): Draft[] {
  return listReadable(folder).flatMap((name): Draft[] => {
    const [, of = '', pid = ''] = /^\.(.+)\.(\d+)\.\d+$/.exec(name) ?? /^([^.].*\.json)\.(\d+)$/.exec(name) ?? [];
    const [, old] = /^([^.].*\.json)\.[0-9a-f]{8}-[0-9a-f]{3}$/.exec(name) ?? [];
    if (old !== undefined) return [{ name, of: old, pid: 0 }];
    return pid === '' ? [] : [{ name, of, pid: Number(pid) }];
  });
}

/** Names in a folder; none where it is not there. Throws what the system says otherwise. */
export function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** As {@link listFolder}, for a reader who treats a folder that cannot be read as an empty one. */
export function listReadable(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Whether an error says that a file or a folder on the way to it is not there: what has a name that is too long is
 * not.
 */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG';
}
