/** The row about one address of a full network: bench/ipam.ts measures it, in mounts of its own. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Row } from './row.ts';

export const leaseRows = ['leases'];

interface Measured {
  readonly who: string;
  readonly leases: number;
  readonly 'reserve, ms': string;
}

export async function measureLeases(): Promise<Row[]> {
  const printed = execFileSync(process.execPath, [join(import.meta.dirname, 'ipam.ts'), '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const rows = JSON.parse(printed) as Measured[];
  const time = (who: string, leases: number): number =>
    Number(rows.find((row) => row.who === who && row.leases === leases)?.['reserve, ms']);
  const [ours, empty, theirs] = [time('drawbridge', 60_000), time('drawbridge', 0), time('host-local', 60_000)];
  return [
    {
      id: 'leases',
      what: 'one address of a /16 with 60,000 leases',
      peer: 'host-local, same (with its start)',
      unit: 'ms',
      ours,
      theirs,
      ratio: ours / theirs,
      toReach: 0.1,
      note: `with no lease: ${empty} ms`,
    },
  ];
}
