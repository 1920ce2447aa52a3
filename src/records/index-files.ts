/**
 * Index entries: who claims what, so that ADD and DEL look at the few records that matter.
 *
 *   /run/drawbridge/
 *     ports/<protocol>-<port>.json     ["<key>", …]   attachments that publish this port of the host
 *     addresses/<address>.json         ["<key>", …]   attachments with this address, on whatever bridge
 *     exclusive/<hash of container>.json  ["<key>", …]   attachments of this container whose policy is exclusive
 *     shared/<name>/<key>              [element, …]   one of those that share a thing: "bridge-drawbridge0",
 *                                      "policy-ab12"
 *
 * An index entry is written before the record that it points to comes in force, and removed when its elements are gone.
 * So one that is missing means that nobody claims the thing; one that is there may be stale (a crash, a record taken
 * away by hand), and whoever reads it looks into the record. All are written under the lock of the tables.
 */
import { mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { sha256 } from '../digest/sha256.ts';
import { listFolder } from '../host/files.ts';
import { runDir } from '../host/paths.ts';
import { sharedOf } from '../dataplane/difference.ts';
import { desired } from './desired.ts';
import type { Element } from '../nft/element.ts';
import { readElement } from './read-element.ts';
import { overlaps, type PortMapping } from '../ports/mapping.ts';
import type { AttachmentRecord } from './record.ts';
import { claimsOf, portsOf } from './sections.ts';
import { readText, writeWhole } from '../host/state-file.ts';
import { isBroken, readRecord, readSoundRecord } from './store.ts';
import { systemReason } from '../text/system-error.ts';

/**
 * Adds the index entries of a record, those that are not there as they should be; those that it has in common with
 * `previous`, which is in force, are. Throws code 5.
 */
export function writeIndex(record: AttachmentRecord, previous?: AttachmentRecord, run: string = runDir): void {
  const there = new Set(previous === undefined ? [] : listFiles(previous, run));
  for (const file of listFiles(record, run).filter((one) => !there.has(one))) {
    const keys = readKeys(file);
    if (!keys.includes(record.key)) writeWhole(file, JSON.stringify([...keys, record.key]), `Cannot write "${file}"`);
  }
  const claim = desired(record);
  const shared = new Set(previous === undefined ? [] : sharedOf(desired(previous)));
  for (const name of sharedOf(claim).filter((one) => !shared.has(one))) {
    const folder = sharedFolder(name, run);
    const text = JSON.stringify(claim.elements.filter(({ shared }) => shared === name));
    if (readText(`${folder}/${record.key}`) !== text) writeUser(folder, record.key, text);
  }
}

/** Removes the index entries that `previous` has and `next` has not. */
export function removeIndex(
  previous: AttachmentRecord,
  next: AttachmentRecord | undefined,
  run: string = runDir,
): void {
  const files = new Set(next === undefined ? [] : listFiles(next, run));
  for (const file of listFiles(previous, run)) {
    if (!files.has(file)) removeKey(file, previous.key);
  }
  const shared = new Set(next === undefined ? [] : sharedOf(desired(next)));
  for (const name of sharedOf(desired(previous))) {
    if (!shared.has(name)) removeUser(sharedFolder(name, run), previous.key);
  }
}

/** Other attachments of the same container whose policy lets no network without one stand beside it. */
export function exclusiveHolders(record: AttachmentRecord, run: string = runDir): AttachmentRecord[] {
  return others(exclusiveFile(record, run), record.key, run).filter(isExclusive);
}

/** Other attachments that publish the same port of the host. */
export function portHolders(record: AttachmentRecord, mapping: PortMapping, run: string = runDir): AttachmentRecord[] {
  return others(portFile(mapping, run), record.key, run).filter((other) =>
    portsOf(other).some((port) => overlaps(mapping, port)),
  );
}

/**
 * Other attachments that may claim the same elements: those with one of the record's addresses, and those that
 * publish one of its ports, as the other attachments of a container with several networks do.
 */
export function rivalsOf(record: AttachmentRecord, run: string = runDir): AttachmentRecord[] {
  const byPort = portsOf(record).flatMap((mapping) => portHolders(record, mapping, run));
  const found = [...addressHolders(record, run), ...byPort];
  return [...new Map(found.map((other) => [other.key, other])).values()];
}

/** Other attachments with one of the record's addresses. */
export function addressHolders(record: AttachmentRecord, run: string = runDir): AttachmentRecord[] {
  const found = addressesOf(record).flatMap((address) =>
    others(addressFile(address, run), record.key, run).filter((other) => addressesOf(other).includes(address)),
  );
  return [...new Map(found.map((other) => [other.key, other])).values()];
}

/**
 * Whether an attachment other than the one with this key claims a shared name: `sharedByOthers('bridge-drawbridge0',
 * key)` is false for the bridge's last container. Looks at one sound claim at most; a record that cannot be read may
 * claim it. Stale index entries stay: without the lock they cannot be told from those whose record is being written.
 */
export function sharedByOthers(name: string, key: string, run: string = runDir): boolean {
  return listFolder(sharedFolder(name, run)).some((user) => user !== key && isUser(name, user, run));
}

function isUser(name: string, user: string, run: string): boolean {
  return isBehind(user, run, (record) => sharedOf(desired(record)).includes(name));
}

/**
 * Removes the index entries that nobody stands behind: those of processes that were killed before the record came, or
 * after it went.
 */
export function sweepIndex(run: string = runDir): void {
  for (const file of keyFolders.flatMap((kind) =>
    listFolder(`${run}/${kind}`).map((name) => `${run}/${kind}/${name}`),
  )) {
    const keys = readKeys(file);
    for (const key of keys)
      if (!isBehind(key, run, (record) => listFiles(record, run).includes(file))) removeKey(file, key);
    if (keys.length === 0) rmSync(file, { force: true });
  }
  for (const folder of listFolder(`${run}/shared`)) {
    const name = decodeURIComponent(folder);
    for (const user of listFolder(`${run}/shared/${folder}`))
      if (!isUser(name, user, run)) removeUser(sharedFolder(name, run), user);
  }
}

/** A record that cannot be read may stand behind anything. */
function isBehind(key: string, run: string, claims: (record: AttachmentRecord) => boolean): boolean {
  const record = readRecord(key, run);
  return record !== undefined && (isBroken(record) || claims(record));
}

/** Names of what an attachment shares with others, by the index entries alone. */
export function sharedNamesOf(key: string, run: string = runDir): string[] {
  return listFolder(`${run}/shared`)
    .filter((folder) => listFolder(`${run}/shared/${folder}`).includes(key))
    .map((folder) => decodeURIComponent(folder));
}

/** Whether there are index entries of an attachment. Looks at all of them: for one whose record was lost. */
export function isIndexed(key: string, run: string = runDir): boolean {
  return filesNaming(key, run).length + sharedNamesOf(key, run).length > 0;
}

/** Removes the index entries of an attachment whose record was lost. */
export function removeIndexOf(key: string, run: string = runDir): void {
  for (const file of filesNaming(key, run)) removeKey(file, key);
  for (const name of sharedNamesOf(key, run)) removeUser(sharedFolder(name, run), key);
}

function filesNaming(key: string, run: string): string[] {
  return keyFolders
    .flatMap((kind) => listFolder(`${run}/${kind}`).map((name) => `${run}/${kind}/${name}`))
    .filter((file) => readKeys(file).includes(key));
}

/**
 * The shared elements of an attachment whose record cannot be read: they keep its bridge enforced, so that the
 * container reaches nothing rather than everything. Looks at every shared thing.
 */
export function sharedElementsOf(key: string, run: string = runDir): Element[] {
  const files = listFolder(`${run}/shared`).map((name) => `${run}/shared/${name}/${key}`);
  return files.flatMap((file) => readList(file).flatMap((value) => readElement(value) ?? []));
}

/** Folders whose files list keys. */
const keyFolders = ['ports', 'addresses', 'exclusive'];

function listFiles(record: AttachmentRecord, run: string): string[] {
  const ports = portsOf(record).map((mapping) => portFile(mapping, run));
  const exclusive = isExclusive(record) ? [exclusiveFile(record, run)] : [];
  return [...new Set([...ports, ...addressesOf(record).map((address) => addressFile(address, run)), ...exclusive])];
}

/** The link-local one is among them: two attachments with a MAC that was chosen for both have elements in common. */
function addressesOf(record: AttachmentRecord): string[] {
  return [...new Set(claimsOf(record).flatMap(({ addresses = [], linkLocal = [] }) => [...addresses, ...linkLocal]))];
}

function portFile({ protocol, hostPort }: PortMapping, run: string): string {
  return `${run}/ports/${protocol}-${hostPort}.json`;
}

function addressFile(address: string, run: string): string {
  return `${run}/addresses/${address}.json`;
}

/** A container's id may be longer than a file's name. */
function exclusiveFile({ containerId }: AttachmentRecord, run: string): string {
  return `${run}/exclusive/${sha256(containerId).slice(0, 16)}.json`;
}

function isExclusive({ egress }: AttachmentRecord): boolean {
  return egress?.policy.exclusive === true;
}

function sharedFolder(name: string, run: string): string {
  return `${run}/shared/${encodeURIComponent(name)}`;
}

function others(file: string, key: string, run: string): AttachmentRecord[] {
  return readKeys(file).flatMap((other) => (other === key ? [] : (readSoundRecord(other, run) ?? [])));
}

function readKeys(file: string): string[] {
  return readList(file).filter((key): key is string => typeof key === 'string' && /^[0-9a-f]{16}$/.test(key));
}

/** An index entry that cannot be read counts as empty: the next writer replaces it. */
function readList(file: string): unknown[] {
  try {
    const list: unknown = JSON.parse(readText(file) ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function removeKey(file: string, key: string): void {
  const keys = readKeys(file).filter((other) => other !== key);
  if (keys.length === 0) rmSync(file, { force: true });
  else writeWhole(file, JSON.stringify(keys), `Cannot write "${file}"`);
}

function writeUser(folder: string, key: string, text: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${folder}/${key}`, text, { mode: 0o600 });
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot write "${folder}/${key}"`, systemReason(error), { cause: error });
  }
}

function removeUser(folder: string, key: string): void {
  rmSync(`${folder}/${key}`, { force: true });
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT') throw error;
  }
}
