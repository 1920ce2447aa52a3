/**
 * What drawbridge costs, beside its peers, measured in the same minutes in private hosts of their own.
 *
 *   npm run bench                          the whole table, less than 15 minutes
 *   node bench/bench.ts --quick            fewer rounds and containers
 *   node bench/bench.ts --only add,del     some rows; --list names them
 *
 *   npm run bench -- --docs                also writes the table into docs/benchmarks.md
 *   node bench/bench.ts --report           the last run again, as that page has it
 *
 * Prints the table and writes bench.json, bench.md and bench.svg into bench/out. Read the ratios: the machine's noise
 * is in both sides.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  chainRows,
  crowdRows,
  firstRows,
  fullRows,
  manyRows,
  measureChains,
  measureCrowd,
  measureFirst,
  measureFull,
  measureMany,
} from './chains.ts';
import { firstBytesRows, measureFirstBytes } from './first-bytes.ts';
import { guestRows, measureGuest } from './guest.ts';
import { leaseRows, measureLeases } from './leases.ts';
import { machine } from './machine.ts';
import { measurePackets, measurePorts, packetRows, portRows } from './packets.ts';
import { plot } from './plot.ts';
import type { Row } from './row.ts';
import { measureRefresh, refreshRows } from './refresh.ts';
import { measureSiblings, siblingRows } from './siblings.ts';
import { report, writePage } from './page.ts';
import { tableText } from './table.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
});

/** Groups of rows that are measured together. */
const groups: readonly {
  ids: readonly string[];
  measure: (ids: readonly string[], quick: boolean) => Promise<Row[]>;
}[] = [
  { ids: chainRows, measure: (ids, quick) => measureChains(ids, quick ? 8 : 40) },
  { ids: manyRows, measure: (_, quick) => measureMany(quick ? 40 : 200, quick ? 1 : 2) },
  { ids: fullRows, measure: (_, quick) => measureFull(quick ? 100 : 1000, quick ? 8 : 30) },
  { ids: firstRows, measure: (ids, quick) => measureFirst(ids, quick ? 4 : 20) },
  { ids: crowdRows, measure: (_, quick) => measureCrowd(quick ? 24 : 100) },
  { ids: leaseRows, measure: measureLeases },
  { ids: packetRows, measure: (_, quick) => measurePackets(quick ? 50 : 1000, quick ? 500 : 5000, quick ? 3 : 9) },
  { ids: siblingRows, measure: (ids, quick) => measureSiblings(ids, quick ? 2 : 5) },
  { ids: guestRows, measure: (_, quick) => measureGuest(quick ? 4 : 12, quick ? 2 : 4) },
  { ids: refreshRows, measure: (_, quick) => measureRefresh(quick ? 100 : 1000, quick ? 500 : 5000, quick ? 1 : 3) },
  { ids: firstBytesRows, measure: (_, quick) => measureFirstBytes(quick ? 3 : 9, quick ? 1 : 2) },
  { ids: portRows, measure: (_, quick) => measurePorts(quick ? 100 : 1000, quick ? 3 : 9) },
];

const out = join(import.meta.dirname, 'out');

if (options.report) {
  const last = JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8')) as {
    machine: string;
    minutes: number;
    rows: Row[];
  };
  const text = report(last.rows, `${last.machine}; ${last.minutes.toFixed(1)} minutes`);
  console.log(text);
  if (options.docs) writePage(text);
} else if (options.list) {
  console.log(groups.flatMap(({ ids }) => ids).join('\n'));
} else {
  const asked = options.only?.split(',') ?? groups.flatMap(({ ids }) => ids);
  const rows: Row[] = [];
  const begin = performance.now();
  for (const { ids, measure } of groups) {
    const wanted = ids.filter((id) => asked.includes(id));
    if (wanted.length === 0) continue;
    console.error(`bench: ${wanted.join(', ')}`);
    try {
      rows.push(...(await measure(wanted, options.quick)));
    } catch (error) {
      process.exitCode = 1;
      console.error(
        `bench: cannot measure ${wanted.join(', ')}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    write(rows, (performance.now() - begin) / 60_000);
  }
  console.log(`\n${tableText(rows)}\n\n${machine()}; ${((performance.now() - begin) / 60_000).toFixed(1)} min`);
}

/** After each group, so that what was measured is there whatever comes next. */
function write(rows: readonly Row[], minutes: number): void {
  const about = machine();
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, 'bench.json'),
    `${JSON.stringify({ machine: about, minutes, quick: options.quick, rows }, null, 2)}\n`,
  );
  writeFileSync(join(out, 'bench.svg'), plot(rows, about));
  const text = report(rows, `${about}; ${minutes.toFixed(1)} minutes`);
  writeFileSync(join(out, 'bench.md'), `${text}\n`);
  if (options.docs) writePage(text);
}
