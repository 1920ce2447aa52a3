import { applyCommands } from '../host/apply.ts';
import { showJson } from '../host/ip.ts';
import { readText, writeWhole } from '../host/state-file.ts';
import { runDir } from '../host/paths.ts';
import { familyOf } from '../ip/family.ts';
import type { Route } from '../links/command.ts';
import { systemReason } from '../text/system-error.ts';
import type { ClusterNode } from './node.ts';

/** Routes that we made, so that those are found again whose node is gone. */
const file = `${runDir}/cluster/routes.json`;

/**
 * Leads to the pods of other nodes by way of those nodes, where they are on a link of this one, and removes what led to
 * nodes that are gone. Returns what cannot be reached, a sentence each.
 */
export async function routeToPeers(peers: readonly ClusterNode[]): Promise<string[]> {
  const problems: string[] = [];
  const wanted: Route[] = [];
  for (const { name, ranges, addresses } of peers) {
    for (const range of ranges) {
      const via = addresses.find((address) => familyOf(address) === familyOf(range));
      if (via === undefined) {
        problems.push(`Cannot route to the pods of node "${name}" in ${range}: it has no address of that family`);
        continue;
      }
      const link = await linkTo(via);
      if (link !== undefined) wanted.push({ dst: range, via, dev: link });
      else
        problems.push(
          `Cannot route to the pods of node "${name}" in ${range}: ${via} is on no link of this node, and tunnels are not there yet`,
        );
    }
  }
  const made = readMade();
  const isWanted = ({ dst }: Route): boolean => wanted.some((route) => route.dst === dst);
  // Before they are made: what is killed in between is found.
  const kept = [...wanted, ...made.filter((route) => !isWanted(route))];
  if (JSON.stringify(kept) !== JSON.stringify(made)) write(kept);
  for (const route of wanted) problems.push(...(await attempt('make', { kind: 'replaceRoute', ...route })));
  for (const route of made.filter((one) => !isWanted(one)))
    if (await isThere(route)) problems.push(...(await attempt('remove', { kind: 'deleteRoute', ...route })));
  if (wanted.length !== kept.length) write(wanted);
  return problems;
}

/** The interface on whose link an address is; undefined where a router is between, and for an address of our own. */
async function linkTo(address: string): Promise<string | undefined> {
  try {
    const [route] = ((await showJson(['route', 'get', address])) ?? []) as readonly ShownWay[];
    return route?.gateway === undefined && route?.type !== 'local' ? route?.dev : undefined;
  } catch {
    // There is no way to it at all.
    return undefined;
  }
}

interface ShownWay {
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
}

async function isThere({ dst, via }: Route): Promise<boolean> {
  const family = familyOf(dst) === 4 ? '-4' : '-6';
  const shown = ((await showJson([family, 'route', 'show', 'exact', dst])) ?? []) as readonly ShownWay[];
  return shown.some(({ gateway }) => gateway === via);
}

async function attempt(
  verb: 'make' | 'remove',
  command: { readonly kind: 'replaceRoute' | 'deleteRoute' } & Route,
): Promise<string[]> {
  try {
    await applyCommands([command]);
    return [];
  } catch (error) {
    return [`Cannot ${verb} the route to ${command.dst} via ${command.via ?? ''}: ${systemReason(error)}`];
  }
}

function readMade(): readonly Route[] {
  const text = readText(file);
  try {
    return text === undefined ? [] : (JSON.parse(text) as Route[]);
  } catch {
    return [];
  }
}

function write(routes: readonly Route[]): void {
  writeWhole(file, JSON.stringify(routes), `Cannot write "${file}"`);
}
