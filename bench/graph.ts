/**
 * What the picture of a host costs, by the number of its containers: `drawbridge graph` of 75, 150, 300 and 600
 * containers under 20 policies. It grows with them, and no faster.
 *
 *   node bench/graph.ts [CONTAINERS…]
 *
 * Prints for each number the median of five runs: seconds, and seconds of processor time, for the picture and for text.
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { executable } from '../test/helpers/executable.ts';
import { makeHost } from '../test/helpers/private-host.ts';

const asked = process.argv.slice(2).map(Number);
const numbers = asked.length === 0 ? [75, 150, 300, 600] : asked;
const root = join(import.meta.dirname, '..');

for (const containers of numbers) {
  await using host = await makeHost();
  await host.outside();
  await host.container('all');
  await host.sh(`ip link add drawbridge0 up type bridge
    ip addr add 10.88.0.1/16 dev drawbridge0 && ip addr add fd00:88::1/64 dev drawbridge0 nodad`);
  await host.run(
    [
      join(root, 'node_modules/.bin/node'),
      join(import.meta.dirname, 'agent-records.ts'),
      String(containers),
      '20',
      String(20 * 10),
    ],
    { timeout: 120_000 },
  );
  for (const format of ['svg', 'text']) {
    const runs: number[][] = [];
    for (let run = 0; run < 5; run++) {
      const script = `TIMEFORMAT='%R %U %S'; time "$0" graph --format ${format} > /dev/null`;
      const { stderr, code } = await host.exec(['bash', '-c', script, executable], { timeout: 120_000 });
      if (code !== 0) throw new Error(stderr);
      const [real = 0, user = 0, system = 0] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
      runs.push([real, user + system]);
    }
    const [real, cpu] = [0, 1].map((column) => median(runs.map((one) => one[column] ?? 0)));
    console.log(`${containers} containers, ${format}: ${real} s, ${cpu?.toFixed(2)} s of CPU time`);
  }
}
console.log(`load ${loadavg()[0]?.toFixed(1)}`);

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
