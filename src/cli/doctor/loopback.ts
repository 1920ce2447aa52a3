import { misplacedLoopback, setLoopback } from '../../records/loopback.ts';
import type { Check } from './check.ts';

/** Whether interfaces have `route_localnet` where a published port needs it, and our bridges nowhere else. */
export const loopbackCheck: Check = {
  name: 'forwarding',
  about: 'the way from 127.0.0.1 to published ports',
  run: ({ attachments }) => {
    const records = attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record);
    const bridges = new Set(records.flatMap(({ link }) => link?.ingressInterface ?? []));
    const { missing, inVain } = misplacedLoopback(records, [...bridges]);
    return [
      ...missing.map((name) => ({
        severity: 'problem' as const,
        found: `"route_localnet" of "${name}" is off`,
        why: 'published ports of its containers are not reached through 127.0.0.1',
        remedy: `sysctl -w net/ipv4/conf/${name}/route_localnet=1`,
        fix: async () => setLoopback(name, '1'),
      })),
      ...inVain.map((name) => ({
        severity: 'warning' as const,
        found: `"route_localnet" of "${name}" is on, and no published port needs it`,
        why: 'should our rules be removed, its containers reach what listens at 127.0.0.1 of the host alone',
        remedy: `sysctl -w net/ipv4/conf/${name}/route_localnet=0`,
        fix: async () => setLoopback(name, '0'),
      })),
    ];
  },
};
