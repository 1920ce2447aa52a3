import { listReadable } from '../../host/files.ts';
import { readFileSync } from 'node:fs';
import { namesFolder } from '../../egress/names-store.ts';
import { askAgent } from '../../host/agent-socket.ts';

/**
 * The names that each address was an answer for: those of policies, and what containers of late were told through the
 * agent.
 */
export async function readKnownNames(): Promise<Map<string, string[]>> {
  const names = rememberedNames();
  const seen = await askAgent('seen');
  if (!Array.isArray(seen)) return names;
  for (const { address, name } of seen as { address?: unknown; name?: unknown }[]) {
    if (typeof address !== 'string' || typeof name !== 'string') continue;
    const known = names.get(address) ?? [];
    if (!known.includes(name)) names.set(address, [...known, name]);
  }
  return names;
}

/** The names of policies that each address was an answer for. Files that cannot be read are passed over. */
export function rememberedNames(): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const file of listReadable(namesFolder).filter((file) => file.endsWith('.json'))) {
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
