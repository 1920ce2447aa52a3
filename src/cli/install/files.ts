import { existsSync, readFileSync } from 'node:fs';
import { dropIns, peers } from '../../plugins/drop-in/plugins.ts';
import type { Invocation } from '../command.ts';
import type { Item } from './item.ts';
import { pagesFor } from './pages.ts';
import { unitText } from './unit.ts';

/** Where links for people go: in every PATH of root. */
const commandFolder = '/usr/local/sbin';
const unitFolder = '/etc/systemd/system';

/** Everything that `install` puts in place. */
export function itemsFor({
  binDir,
  confDir,
  isDropIn,
  commands,
  version,
}: {
  readonly binDir: string;
  readonly confDir: string;
  readonly isDropIn: boolean;
} & Pick<Invocation, 'commands' | 'version'>): Item[] {
  const link = (path: string, target: string, about: string): Item => ({ path, target, about, mode: 0o777 });
  return [
    { path: `${binDir}/drawbridge`, about: 'the executable', content: readFileSync(process.execPath), mode: 0o755 },
    link(`${binDir}/egress-policy`, 'drawbridge', 'the chained policy plugin'),
    ...(isDropIn
      ? Object.keys({ ...dropIns, ...peers }).map((name) =>
          link(`${binDir}/${name}`, 'drawbridge', `stands in for the reference plugin "${name}"`),
        )
      : []),
    ...(binDir === commandFolder ? [] : [link(`${commandFolder}/drawbridge`, `${binDir}/drawbridge`, 'the command')]),
    {
      path: `${confDir}/10-drawbridge.conflist`,
      about: 'a network',
      content: conflist,
      mode: 0o644,
      edited: 'network',
    },
    ...(existsSync(unitFolder)
      ? [
          {
            path: `${unitFolder}/drawbridge-agent.service`,
            about: 'the unit of the agent',
            content: unitText(binDir),
            mode: 0o644,
            edited: 'unit' as const,
          },
        ]
      : []),
    ...pagesFor({ commands, version }),
  ];
}

/** The same as conf/10-drawbridge.conflist, which a test holds it to. */
export const conflist = `{
  "cniVersion": "1.0.0",
  "cniVersions": ["1.0.0", "1.1.0"],
  "name": "drawbridge",
  "plugins": [
    {
      "type": "drawbridge",
      "bridge": "drawbridge0",
      "isDefaultGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "awaitsPolicy": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd00:88::/64" }]]
      },
      "capabilities": { "portMappings": true, "ips": true, "mac": true, "ipRanges": true }
    },
    {
      "type": "egress-policy",
      "mode": "restricted",
      "capabilities": { "io.kubernetes.cri.pod-annotations": true }
    }
  ]
}
`;
