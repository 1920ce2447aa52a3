import type { LinkCommand } from './command.ts';
import type { LinkState } from './state.ts';
import { planPortVlans, type PortVlans } from './vlan.ts';

/** What the host's end of a veth has to be as a port of its bridge; what is absent is left as it is. */
export interface PortSpec {
  readonly name: string;
  readonly bridge: string;
  readonly hairpin?: boolean;
  readonly isolated?: boolean;
  /** False: the bridge learns no MAC there, and is told `mac`. */
  readonly learns?: boolean;
  readonly mac?: string;
  readonly vlans?: PortVlans;
}

/** What is not as it should be with a port of a bridge, and what mends it. */
export interface PortTrouble {
  /** One sentence without a period. */
  readonly what: string;
  readonly commands: readonly LinkCommand[];
}

/** Compares a port with what it has to be. Undefined when all is well. */
export function portTrouble(spec: PortSpec, found: LinkState | undefined): PortTrouble | undefined {
  const { name, bridge, mac, vlans } = spec;
  const isLost = found?.master !== bridge;
  const what = isLost ? `"${name}" had left the bridge "${bridge}"` : differenceOf(spec, found);
  if (what === undefined) return undefined;
  const flags = {
    ...(spec.hairpin === true ? { hairpin: true } : {}),
    ...(spec.isolated === true ? { isolated: true } : {}),
    ...(spec.learns === false ? { learning: false } : {}),
  };
  return {
    what,
    commands: [
      ...(isLost ? [{ kind: 'setLink', name, master: bridge } as const] : []),
      ...(Object.keys(flags).length > 0 ? [{ kind: 'setPort', name, ...flags } as const] : []),
      ...(isLost && vlans !== undefined ? planPortVlans(name, vlans) : []),
      ...(spec.learns === false && mac !== undefined ? [{ kind: 'replaceStaticMac', name, mac } as const] : []),
    ],
  };
}

function differenceOf({ name, hairpin, isolated, learns }: PortSpec, found: LinkState): string | undefined {
  if (found.portState === undefined) return undefined;
  if (isolated === true && !found.isolated) return `"${name}" was no longer isolated from its siblings`;
  if (learns === false && found.learns) return `"${name}" learned the MAC addresses of its senders again`;
  return hairpin === true && !found.hairpin ? `Hairpin mode of "${name}" was off` : undefined;
}
