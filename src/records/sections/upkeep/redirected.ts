import { readInterface } from '../../../host/interfaces.ts';
import { netnsExists } from '../../../host/netns.ts';
import { brokenRedirections, removeRedirection } from '../../../host/tap.ts';
import type { RedirectedRecord } from '../../record.ts';
import type { Upkeep } from './upkeep.ts';

export const redirected: Upkeep<RedirectedRecord> = {
  unlink: async ({ tap }, { netns, ifname }) => {
    if (netnsExists(netns)) await removeRedirection({ tap: tap.name, ifname, netns });
  },
  differences: async ({ tap: { name } }, { netns, ifname }) => {
    const found = await readInterface(name, { netns });
    if (found === undefined) return [`The tap "${name}" in "${netns}" is missing`];
    return found.isUp ? brokenRedirections({ tap: name, ifname, netns }) : [`The tap "${name}" in "${netns}" is down`];
  },
};
