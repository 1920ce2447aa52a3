import { aboutLine, type Plugin } from '../../cni/serve.ts';

/** The chained policy plugin. Each verb is loaded when it is asked for. */
export function policyPlugin(version: string): Plugin {
  return {
    name: 'egress-policy',
    about: aboutLine('egress-policy', version),
    verbs: {
      add: async (request) => (await import('./add.ts')).add(request),
      del: async (request) => (await import('./del.ts')).del(request),
      check: async (request) => (await import('./check.ts')).check(request),
      gc: async (request) => (await import('./gc.ts')).gc(request),
      status: async (request) => (await import('./status.ts')).status(request),
    },
  };
}
