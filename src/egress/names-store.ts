import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../digest/sha256.ts';
import { replaceFile } from '../host/files.ts';
import { sinceBoot, stampNow, type Stamp } from '../host/uptime.ts';
import { readAnyAddress } from '../ip/address.ts';
import type { KnownName, SeenAddress } from './names-lifetimes.ts';
import { reservedRangeOf } from './ranges-reserved.ts';

/*
 * On disk: /var/lib/drawbridge/names/FILE.json, one name each:
 *
 *     { "version": 2, "name": "api.example.org", "resolvedAt": 86400000,
 *       "addresses": [{ "address": "203.0.113.7", "ttl": 300, "seenAt": 86400000 }],
 *       "written": { "boot": "…", "uptime": 86400000, "wall": 1795000000000 } }
 *
 * Times are milliseconds since that boot, which no setting of the clock changes; "written" tells a reader of a later
 * boot by wall time how old they are. Version 1 (drawbridge 0.1.0) has milliseconds since 1970 and no "written".
 *
 * FILE is the name where the host's resolvers were asked; a name that
 * was asked of other servers has "@" and a hash of them behind it, a name that is too long for a file is a hash.
 * A file is written beside and renamed, so that a reader sees all of the old one or all of the new one.
 * Two writers of one name lose nothing but each other's older addresses. A file may be deleted at any time.
 */

/** Where names are remembered. */
export const namesFolder = '/var/lib/drawbridge/names';

/** What is remembered of a name; undefined when that is nothing, or cannot be used. */
export async function recallName(
  name: string,
  servers: readonly string[],
  folder = namesFolder,
): Promise<KnownName | undefined> {
  try {
    const known = parseKnown(JSON.parse(readFileSync(join(folder, fileOf(name, servers)), 'utf8')));
    return known?.name === name ? known : undefined;
  } catch {
    return undefined;
  }
}

/** Remembers a name. Throws when the folder cannot be written. */
export async function rememberName(known: KnownName, servers: readonly string[], folder = namesFolder): Promise<void> {
  const file = join(folder, fileOf(known.name, servers));
  const text = JSON.stringify({ version: 2, ...known, written: stampNow() });
  replaceFile(file, `${text}\n`, { mode: 0o644, folderMode: 0o755 });
}

function fileOf(name: string, servers: readonly string[]): string {
  const short = name.length <= 200 && /^[a-z0-9_][a-z0-9._-]*$/.test(name) ? name : hash(name);
  return servers.length === 0 ? `${short}.json` : `${short}@${hash(servers.join(' '))}.json`;
}

function hash(text: string): string {
  return sha256(text).slice(0, 16);
}

/**
 * Takes nothing on trust that would end up in a rule: an address is read again, and judged by the lists of today. One
 * that was seen in the future, by the clock as it is now, is left out: nothing tells how old it is.
 */
function parseKnown(raw: unknown): KnownName | undefined {
  if (!isObject(raw)) return undefined;
  const { name, resolvedAt, addresses } = raw;
  const written = readWritten(raw);
  if (typeof name !== 'string' || typeof resolvedAt !== 'number' || !Array.isArray(addresses)) return undefined;
  if (written === undefined) return undefined;
  const now = stampNow();
  const momentOf = (at: number): number | undefined =>
    sinceBoot({ ...written, uptime: at, wall: written.wall + at - written.uptime }, now);
  return {
    name,
    resolvedAt: momentOf(resolvedAt) ?? Number.NEGATIVE_INFINITY,
    addresses: addresses.filter(isSeen).flatMap((seen) => {
      const seenAt = momentOf(seen.seenAt);
      return seenAt === undefined ? [] : [{ ...seen, seenAt }];
    }),
    ...(raw['isPartial'] === true ? { isPartial: true } : {}),
  };
}

/** When it was written; for version 1 a moment from which its times count. Undefined for what cannot be used. */
function readWritten({ version, written }: Record<string, unknown>): Stamp | undefined {
  if (version === 1) return { boot: '', uptime: 0, wall: 0 };
  if (version !== 2 || !isObject(written)) return undefined;
  const { boot, uptime, wall } = written;
  if (typeof boot !== 'string' || typeof uptime !== 'number' || typeof wall !== 'number') return undefined;
  return { boot, uptime, wall };
}

function isSeen(raw: unknown): raw is SeenAddress {
  if (!isObject(raw) || typeof raw['ttl'] !== 'number' || typeof raw['seenAt'] !== 'number') return false;
  const { address } = raw;
  return typeof address === 'string' && readAnyAddress(address) !== undefined && reservedRangeOf(address) === undefined;
}

function isObject(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}
