import { join } from 'node:path';
import { dropIns } from '../../../src/plugins/drop-in/plugins.ts';
import { pluginFolder } from '../../helpers/executable.ts';
import type { Conflist, Host, Json } from '../../helpers/host.ts';

export const folder = '/opt/cni/bin';

const names = Object.keys(dropIns);

/**
 * Links our executable into the host's /opt/cni/bin, under our own names and those of the reference, each in one step.
 */
export async function installDropIns(host: Host, into = folder): Promise<void> {
  const links = ['drawbridge', 'egress-policy', ...names].map(
    (name) => `ln -s ${join(pluginFolder, 'drawbridge')} ${into}/.${name}; mv -fT ${into}/.${name} ${into}/${name}`,
  );
  await host.sh(`mkdir -p ${into}\n${links.join('\n')}`);
}

/** What the interface plugin keeps by design when its last container is gone. */
export const kept = [/bridges\//, /link (?:cni0|br\d|nerdctl0|cni-podman\d)/, /boot\//];

const ranges = { ranges: [[{ subnet: '10.22.0.0/16' }], [{ subnet: 'fd00:22::/64' }]] };

/** The list that most hosts of the reference have, with plugins of `changes` added to by their place. */
export function referenceList(changes: Record<string, Json> = {}, name = 'dropin'): Conflist {
  const plugins: Json[] = [
    {
      type: 'bridge',
      isDefaultGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ...ranges },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
    { type: 'firewall' },
    { type: 'tuning' },
  ];
  return {
    cniVersion: '1.0.0',
    name,
    plugins: plugins.map((plugin) => ({ ...plugin, ...changes[plugin['type'] as string] })),
  };
}
