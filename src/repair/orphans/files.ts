import { dirname } from 'node:path/posix';
import { listDrafts, listReadable } from '../../host/files.ts';
import { dropIns, peers } from '../../plugins/drop-in/plugins.ts';
import { readManifest } from '../manifest.ts';
import { existsSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { namesFolder } from '../../egress/names-store.ts';
import { oldestLastGood } from '../../egress/names-lifetimes.ts';
import { isLinkThere } from '../../host/interfaces.ts';
import { withLock } from '../../host/lock.ts';
import { runDir, stateDir } from '../../host/paths.ts';
import { listRecords } from '../../records/store.ts';
import type { Finding, RecordSurvey } from './finding.ts';

/**
 * Files that were being written when their writer was killed, index entries to records that are gone, notes about
 * bridges that are gone.
 */
export function findFiles({ records, broken }: RecordSurvey): Finding[] {
  const keys = new Set([...records, ...broken].map(({ key }) => key));
  return [...drafts(), ...indexEntries(keys), ...bridgeNotes(), ...vethNotes()];
}

/** What was remembered of names that nobody asked about for days: no orphans, but of no use either. */
export function findOldNames(): Finding[] {
  return listReadable(namesFolder).flatMap((name): Finding[] => {
    const file = `${namesFolder}/${name}`;
    if (!name.endsWith('.json') || !isOlderThan(file, oldestLastGood)) return [];
    return [
      {
        kind: 'name',
        name: name.slice(0, -'.json'.length),
        why: 'its last good addresses are too old to serve',
        remove: removing(file),
      },
    ];
  });
}

/** Folders of the host in which "install" puts our files among others. */
const foreignFolders = ['/opt/cni/bin', '/etc/cni/net.d', '/etc/systemd/system', '/usr/local/sbin'];

function drafts(): Finding[] {
  const own = [runDir, stateDir].flatMap((folder) => [
    folder,
    ...listReadable(folder).map((name) => `${folder}/${name}`),
  ]);
  const installed = readManifest().map(({ path }) => dirname(path));
  const places = [
    ...own.map((folder) => ({ folder, isOurs: () => true })),
    ...[...new Set([...foreignFolders, ...installed])].map((folder) => ({
      folder,
      isOurs: (of: string) =>
        of.includes('drawbridge') || of === 'egress-policy' || Object.hasOwn({ ...dropIns, ...peers }, of),
    })),
  ];
  const left = places.flatMap(({ folder, isOurs }) =>
    listDrafts(folder)
      .filter(({ of, pid }) => isOurs(of) && !existsSync(`/proc/${pid}`))
      .map(({ name }) => `${folder}/${name}`),
  );
  return left.map((file) => ({
    kind: 'file',
    name: file,
    why: 'its writer was killed before the file was complete',
    remove: removing(file),
  }));
}

function indexEntries(keys: ReadonlySet<string>): Finding[] {
  const files = ['ports', 'addresses'].flatMap((folder) =>
    listReadable(`${runDir}/${folder}`)
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) => `${runDir}/${folder}/${name}`),
  );
  const listed = files.flatMap((file): Finding[] => {
    const named = readKeys(file);
    if (named !== undefined && named.every((key) => keys.has(key))) return [];
    return [
      {
        kind: 'index',
        name: file,
        why: named === undefined ? 'it cannot be read' : 'it points to a record that is gone',
        remove: async () => withLock('tables', 'clean', () => dropKeys(file)),
      },
    ];
  });
  const shared = listReadable(`${runDir}/shared`).flatMap((name) =>
    listReadable(`${runDir}/shared/${name}`)
      .filter((key) => !keys.has(key))
      .map((key) => ({ folder: `${runDir}/shared/${name}`, key })),
  );
  return [
    ...listed,
    ...shared.map(({ folder, key }): Finding => ({
      kind: 'index',
      name: `${folder}/${key}`,
      why: 'it points to a record that is gone',
      remove: async () => withLock('tables', 'clean', () => dropUser(folder, key)),
    })),
  ];
}

/** Under the lock: an ADD writes its index entries before its record. */
function dropKeys(file: string): boolean {
  const current = currentKeys();
  const left = (readKeys(file) ?? []).filter((key) => current.has(key));
  if (left.length === 0) rmSync(file, { force: true });
  else writeFileSync(file, JSON.stringify(left));
  return true;
}

function dropUser(folder: string, key: string): boolean {
  if (currentKeys().has(key)) return false;
  rmSync(`${folder}/${key}`, { force: true });
  if (listReadable(folder).length === 0 && existsSync(folder)) rmdirSync(folder);
  return true;
}

function currentKeys(): Set<string> {
  const { records, broken } = listRecords();
  return new Set([...records, ...broken].map(({ key }) => key));
}

function bridgeNotes(): Finding[] {
  return listReadable(`${runDir}/bridges`).flatMap((name): Finding[] => {
    const bridge = name.replace(/\.json$/, '');
    if (!name.endsWith('.json') || isLinkThere(bridge)) return [];
    return [
      {
        kind: 'note',
        name: `${runDir}/bridges/${name}`,
        why: `there is no bridge "${bridge}"`,
        remove: removing(`${runDir}/bridges/${name}`),
      },
    ];
  });
}

/** Each keeps a routing rule that all lone veths have in common. */
function vethNotes(): Finding[] {
  return listReadable(`${runDir}/veth-gates`).flatMap((name): Finding[] =>
    isLinkThere(decodeURIComponent(name))
      ? []
      : [
          {
            kind: 'note',
            name: `${runDir}/veth-gates/${name}`,
            why: `there is no veth "${decodeURIComponent(name)}"`,
            remove: removing(`${runDir}/veth-gates/${name}`),
          },
        ],
  );
}

function removing(file: string): () => Promise<boolean> {
  return async () => {
    rmSync(file, { force: true });
    return true;
  };
}

function readKeys(file: string): string[] | undefined {
  try {
    const keys: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(keys) ? keys.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function isOlderThan(file: string, age: number): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < Date.now() - age;
}
