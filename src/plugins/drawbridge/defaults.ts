/** What an interface plugin does where its configuration says nothing. */
export interface InterfaceDefaults {
  /** "drawbridge0", or "cni0" where we stand in for the reference plugin. */
  readonly defaultBridge: string;
  /** The reference plugin would pass over "egress" without a word; a policy that is not enforced has to be said. */
  readonly refusesEgress?: boolean;
  /** The reference plugin has no key "routed". */
  readonly mayRoute?: boolean;
}

/** By the name that the plugin is called by. */
export const interfaceDefaults = {
  drawbridge: { defaultBridge: 'drawbridge0', mayRoute: true },
  bridge: { defaultBridge: 'cni0', refusesEgress: true },
} as const satisfies Readonly<Record<string, InterfaceDefaults>>;
