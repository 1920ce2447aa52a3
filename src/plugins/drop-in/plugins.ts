import { aboutLine, type Plugin, type PluginVerbs } from '../../cni/serve.ts';
import { holdAttachment } from '../../records/attachment-lock.ts';
import { interfacePlugin } from '../drawbridge/plugin.ts';
import { keysOf } from '../known-keys.ts';

/**
 * The release of the reference plugins that the drop-ins stand in for. Callers read it from the about line to learn
 * what a plugin can do: nerdctl uses "ingressPolicy" from firewall v1.1.0 on, and "isolated" from v1.7.1 on.
 */
const referenceVersion = '1.9.1';

/** The plugins of the reference that we stand in for, by name. Each verb is loaded when it is asked for. */
export const dropIns: Readonly<Record<string, () => Plugin>> = {
  bridge: () => interfacePlugin('bridge', referenceVersion),
  'host-local': () => dropIn('host-local', async () => import('./host-local/verbs.ts')),
  portmap: () => chained('portmap', async () => import('./portmap/verbs.ts')),
  firewall: () => chained('firewall', async () => import('./firewall/verbs.ts')),
  tuning: () => chained('tuning', async () => import('./tuning/verbs.ts')),
  bandwidth: () => chained('bandwidth', async () => import('./bandwidth/verbs.ts')),
  loopback: () => dropIn('loopback', async () => import('./loopback/verbs.ts')),
};

/** Plugins of others, beside the reference's, that we stand in for: chained ones. */
export const peers: Readonly<Record<string, () => Plugin>> = {
  'tc-redirect-tap': () => chained('tc-redirect-tap', async () => import('./tc-redirect-tap/verbs.ts')),
};

/** One that has a part of the attachment's record. An IPAM plugin has none: it runs inside of the ADD that asks it. */
function chained(name: string, load: () => Promise<PluginVerbs>): Plugin {
  return dropIn(name, async () => {
    const verbs = await load();
    return {
      ...verbs,
      add: async (request) => holdAttachment(request.id, 'ADD', async () => verbs.add(request)),
      del: async (request) => holdAttachment(request.id, 'DEL', async () => verbs.del(request)),
    };
  });
}

function dropIn(name: string, load: () => Promise<PluginVerbs>): Plugin {
  return {
    name,
    about: aboutLine(name, referenceVersion),
    keys: keysOf(name),
    verbs: {
      add: async (request) => (await load()).add(request),
      del: async (request) => (await load()).del(request),
      check: async (request) => (await load()).check(request),
      gc: async (request) => (await load()).gc(request),
      status: async (request) => (await load()).status(request),
    },
  };
}
