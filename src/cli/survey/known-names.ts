import { readdirSync, readFileSync } from 'node:fs';
import { namesFolder } from '../../egress/names-store.ts';

/** The names that each remembered address was an answer for; files that cannot be read are passed over. */
export function readKnownNames(): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const file of list()) {
    try {
      const { name, addresses } = JSON.parse(readFileSync(`${namesFolder}/${file}`, 'utf8')) as {
        name?: unknown;
        addresses?: { address?: unknown }[];
      };
      if (typeof name !== 'string' || !Array.isArray(addresses)) continue;
      for (const { address } of addresses) {
        if (typeof address !== 'string') continue;
        const known = names.get(address) ?? [];
        if (!known.includes(name)) names.set(address, [...known, name]);
      }
    } catch {
      continue;
    }
  }
  return names;
}

function list(): string[] {
  try {
    return readdirSync(namesFolder).filter((file) => file.endsWith('.json'));
  } catch {
    return [];
  }
}
