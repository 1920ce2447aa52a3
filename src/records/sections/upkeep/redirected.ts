import { readInterface } from '../../../host/interfaces.ts';
import { netnsExists } from '../../../host/netns.ts';
import { readRedirections, removeRedirection } from '../../../host/tap.ts';
import { missingRedirections } from '../../../links/tap.ts';
import type { RedirectedRecord } from '../../record.ts';
import type { Upkeep } from './upkeep.ts';

export const redirected: Upkeep<RedirectedRecord> = {
  unlink: async ({ tap }, { netns, ifname }) => {
    if (netnsExists(netns)) await removeRedirection({ tap: tap.name, ifname, netns });
  },
  differences: async ({ tap: { name } }, { netns, ifname }) => {
    const found = await readInterface(name, { netns });
    if (found === undefined) return [`The tap "${name}" in "${netns}" is missing`];
    if (!found.isUp) return [`The tap "${name}" in "${netns}" is down`];
    return missingRedirections({ tap: name, ifname }, await readRedirections({ tap: name, ifname, netns }));
  },
};
