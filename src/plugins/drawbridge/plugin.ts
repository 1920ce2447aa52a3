import { aboutLine, type Plugin } from '../../cni/serve.ts';
import { phase } from '../../host/trace.ts';
import { keysOf } from '../known-keys.ts';
import { interfaceDefaults } from './defaults.ts';

/**
 * The interface plugin. Each verb is loaded when it is asked for: a DEL does not load what only ADD needs.
 */
export function interfacePlugin(name: keyof typeof interfaceDefaults, version: string): Plugin {
  const defaults = interfaceDefaults[name];
  return {
    name,
    about: aboutLine(name, version),
    keys: keysOf(name),
    verbs: {
      add: async (request) => (await phase('load', () => import('./add.ts'))).add(request, defaults),
      del: async (request) => (await phase('load', () => import('./del.ts'))).del(request),
      check: async (request) => (await phase('load', () => import('./check.ts'))).check(request, defaults),
      gc: async (request) => (await phase('load', () => import('./gc.ts'))).gc(request),
      status: async (request) => (await phase('load', () => import('./status.ts'))).status(request, defaults),
    },
  };
}
