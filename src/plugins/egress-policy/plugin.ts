import { aboutLine, type Plugin } from '../../cni/serve.ts';
import { phase } from '../../host/trace.ts';
import { keysOf } from '../known-keys.ts';

/** The chained policy plugin. Each verb is loaded when it is asked for. */
export function policyPlugin(version: string): Plugin {
  return {
    name: 'egress-policy',
    about: aboutLine('egress-policy', version),
    keys: keysOf('egress-policy'),
    verbs: {
      add: async (request) => (await phase('load', () => import('./add.ts'))).add(request),
      del: async (request) => (await phase('load', () => import('./del.ts'))).del(request),
      check: async (request) => (await phase('load', () => import('./check.ts'))).check(request),
      gc: async (request) => (await phase('load', () => import('./gc.ts'))).gc(request),
      status: async (request) => (await phase('load', () => import('./status.ts'))).status(request),
    },
  };
}
