import { compilePolicy } from '../../../src/egress/compile.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { declaringCommands, removingCommands } from '../../../src/nft/group.ts';
import { ruleset, subjects } from './battery.ts';

/** Policies whose text is held in test/golden/egress/NAME.nft. */
const policies: Readonly<Record<string, object>> = {
  open: { mode: 'open' },
  restricted: {},
  allowlist: {
    allow: [
      '8.8.8.8:443/tcp',
      '203.0.113.0/24',
      '198.51.100.20/icmp',
      'github.com:443/tcp',
      '*.example.org',
      'host.example.org:8000-8100',
      '[2001:db8::]/32:443',
    ],
    allowPrivate: ['10.1.2.3:5432/tcp', 'fd00:1::/64'],
    deny: ['203.0.113.7', '0.0.0.0/0:25/tcp', '::/0:25/tcp'],
  },
  overlapping: { allow: ['8.0.0.0/8:443', '8.8.0.0/16:80-500/tcp', '8.8.8.8', '8.8.8.0/24:53'] },
  'host-all-drop': { hostAccess: 'all', onDeny: 'drop' },
  'host-none-audit': { hostAccess: 'none', audit: true },
  'host-ports': { hostPorts: ['53', '5000/tcp', 'icmp'], allowLocalNetworks: true },
  'verify-names': {
    allow: [
      '8.8.8.8:443/tcp',
      '*.example.org:443',
      'a.example.org',
      'a.example.org:22/tcp/unchecked',
      'b.example.org:53/udp',
      'c.example.org/icmp',
    ],
    allowPrivate: ['10.1.2.3'],
    verifyNames: true,
    onDeny: 'drop',
  },
  'on-link': { allow: ['8.8.8.8'], allowPrivate: ['203.0.113.0/24:443', '10.1.2.3'] },
  'deny-names': { mode: 'open', deny: ['evil.example.org:443', '*.example.net:8000-8100/tcp'], verifyNames: true },
  'without-ipv6': { ipv6: 'disable' },
};

/** Text of each golden file by its name. */
export const goldens: ReadonlyMap<string, string> = new Map([
  ...Object.entries(policies).map(([name, raw]): [string, string] => {
    const group = compilePolicy(parsePolicy(raw, 'egress'));
    return [
      `policy-${name}.nft`,
      [...declaringCommands(group), ...removingCommands(group)].map((line) => `${line}\n`).join(''),
    ];
  }),
  ['two-containers.nft', ruleset(subjects({ one: {}, two: { mode: 'open', ingress: 'open' } }))],
]);
