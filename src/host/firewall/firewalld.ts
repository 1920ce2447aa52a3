import { CommandError, findProgram, run } from '../run.ts';

/** The zone whose target is ACCEPT: what our own tables say is what holds. */
const zone = 'trusted';

/** Which of firewalld's two configurations hold a binding that we made. */
export interface Binding {
  readonly runtime: boolean;
  readonly permanent: boolean;
}

/**
 * Puts a bridge into firewalld's trusted zone, now and for its next start. Tells what was not so before; undefined
 * when an administrator has put it into another zone, which is then left as it is.
 *
 * Not by direct rules: they are deprecated and end in iptables, where firewalld's own table would still reject.
 * Throws {@link CommandError}, with nothing changed, when firewalld refuses or does not answer.
 */
export async function bindToZone(bridge: string): Promise<Binding | undefined> {
  const runtime = await bind(bridge, []);
  if (runtime === 'elsewhere') return undefined;
  try {
    const permanent = await bind(bridge, ['--permanent']);
    return { runtime: runtime === 'bound', permanent: permanent === 'bound' };
  } catch (error) {
    if (runtime === 'bound') await unbind(bridge, []);
    throw error;
  }
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

/** Whether everything passes a zone: ours, or one that an administrator has given the target ACCEPT. */
export async function isOpenZone(name: string | undefined): Promise<boolean> {
  if (name === undefined || name === zone) return name === zone;
  // The target is part of the permanent configuration alone (firewall-cmd(1)).
  return (await run('firewall-cmd', ['--permanent', `--zone=${name}`, '--get-target'])).stdout.trim() === 'ACCEPT';
}

/** Takes a bridge out of the zone that firewalld is to have at its next start, while it does not run. */
export async function unbindStopped(bridge: string): Promise<void> {
  // What was uninstalled starts no more, and has no such program.
  if (findProgram('firewall-offline-cmd') === undefined) return;
  try {
    await run('firewall-offline-cmd', [`--zone=${zone}`, `--remove-interface=${bridge}`]);
  } catch (error) {
    if (error instanceof CommandError && /UNKNOWN_INTERFACE|NOT_ENABLED/.test(error.stdout + error.stderr)) return;
    throw error;
  }
}

/** "already": it was in the zone before, and is not ours to take out. */
async function bind(bridge: string, options: readonly string[]): Promise<'bound' | 'already' | 'elsewhere'> {
  try {
    const { stdout, stderr } = await run('firewall-cmd', [...options, `--zone=${zone}`, `--add-interface=${bridge}`]);
    return /ALREADY_(SET|ENABLED)/.test(stdout + stderr) ? 'already' : 'bound';
  } catch (error) {
    if (error instanceof CommandError && (error.stdout + error.stderr).includes('ZONE_CONFLICT')) return 'elsewhere';
    throw error;
  }
}

async function unbind(bridge: string, options: readonly string[]): Promise<void> {
  try {
    await run('firewall-cmd', [...options, `--zone=${zone}`, `--remove-interface=${bridge}`]);
  } catch (error) {
    if (error instanceof CommandError && /UNKNOWN_INTERFACE|NOT_ENABLED/.test(error.stdout + error.stderr)) return;
    throw error;
  }
}
