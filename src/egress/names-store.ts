import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../digest/sha256.ts';
import { replaceFile } from '../host/files.ts';
import { readAnyAddress } from '../ip/address.ts';
import type { KnownName, SeenAddress } from './names-lifetimes.ts';
import { reservedRangeOf } from './ranges-reserved.ts';

/*
 * On disk: /var/lib/drawbridge/names/FILE.json, one name each:
 *
 *     { "version": 1, "name": "api.example.org", "resolvedAt": 1795000000000,
 *       "addresses": [{ "address": "203.0.113.7", "ttl": 300, "seenAt": 1795000000000 }] }
 *
 * Times are milliseconds since 1970. FILE is the name where the host's resolvers were asked; a name that
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
  replaceFile(file, `${JSON.stringify({ version: 1, ...known })}\n`, { mode: 0o644, folderMode: 0o755 });
}

function fileOf(name: string, servers: readonly string[]): string {
  const short = name.length <= 200 && /^[a-z0-9_][a-z0-9._-]*$/.test(name) ? name : hash(name);
  return servers.length === 0 ? `${short}.json` : `${short}@${hash(servers.join(' '))}.json`;
}

function hash(text: string): string {
  return sha256(text).slice(0, 16);
}

/** Takes nothing on trust that would end up in a rule: an address is read again, and judged by the lists of today. */
function parseKnown(raw: unknown): KnownName | undefined {
  if (!isObject(raw) || raw['version'] !== 1) return undefined;
  const { name, resolvedAt, addresses } = raw;
  if (typeof name !== 'string' || typeof resolvedAt !== 'number' || !Array.isArray(addresses)) return undefined;
  return {
    name,
    resolvedAt,
    addresses: addresses.filter(isSeen),
    ...(raw['isPartial'] === true ? { isPartial: true } : {}),
  };
}

function isSeen(raw: unknown): raw is SeenAddress {
  if (!isObject(raw) || typeof raw['ttl'] !== 'number' || typeof raw['seenAt'] !== 'number') return false;
  const { address } = raw;
  return typeof address === 'string' && readAnyAddress(address) !== undefined && reservedRangeOf(address) === undefined;
}

function isObject(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}
