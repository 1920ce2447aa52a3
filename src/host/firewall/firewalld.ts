import { CommandError, run } from '../run.ts';

/** The zone whose target is ACCEPT: what our own tables say is what holds. */
const zone = 'trusted';

/** Which of firewalld's two configurations hold a binding that we made. */
export interface Binding {
  readonly runtime: boolean;
  readonly permanent: boolean;
}

export const unbound: Binding = { runtime: false, permanent: false };

/**
 * Puts a bridge into firewalld's trusted zone, now and for its next start. Tells what was not so before.
 *
 * Not by direct rules: they are deprecated and end in iptables, where firewalld's own table would still reject.
 * Throws {@link CommandError} when the bridge is in another zone, or firewalld does not answer.
 */
export async function bindToZone(bridge: string): Promise<Binding> {
  const [runtime, permanent] = await Promise.all([bind(bridge, []), bind(bridge, ['--permanent'])]);
  return { runtime, permanent };
}

/** Takes a bridge out of the zone again, where `binding` says that we put it there. */
export async function unbindFromZone(bridge: string, { runtime, permanent }: Binding): Promise<void> {
  await Promise.all([
    runtime ? unbind(bridge, []) : undefined,
    permanent ? unbind(bridge, ['--permanent']) : undefined,
  ]);
}

/** The zone that a bridge is in now; undefined when it is in none, and so in the default one. */
export async function zoneOf(bridge: string): Promise<string | undefined> {
  try {
    return (await run('firewall-cmd', [`--get-zone-of-interface=${bridge}`])).stdout.trim();
  } catch (error) {
    if (error instanceof CommandError && `${error.stdout}${error.stderr}`.includes('no zone')) return undefined;
    throw error;
  }
}

export function isOpenZone(name: string | undefined): boolean {
  return name === zone;
}

/** False when the bridge was in the zone already: it is not ours to take out. */
async function bind(bridge: string, options: readonly string[]): Promise<boolean> {
  const { stdout, stderr } = await run('firewall-cmd', [...options, `--zone=${zone}`, `--add-interface=${bridge}`]);
  return !/ALREADY_(SET|ENABLED)/.test(stdout + stderr);
}

async function unbind(bridge: string, options: readonly string[]): Promise<void> {
  try {
    await run('firewall-cmd', [...options, `--zone=${zone}`, `--remove-interface=${bridge}`]);
  } catch (error) {
    if (error instanceof CommandError && /UNKNOWN_INTERFACE|NOT_ENABLED/.test(error.stdout + error.stderr)) return;
    throw error;
  }
}
