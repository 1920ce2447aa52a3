/**
 * Boots kernels of other releases and runs what this machine's kernel cannot:
 * `npm run test:kernels [-- KERNEL… STAGE…]`, all kernels and stages where none is named. Each stage has a machine of
 * its own and a bound of time. The row of a kernel in docs/hosts.md names the stages whose last run passed, and those
 * whose last run did not. Exit status 1 when a check failed, a stage did not end, or a kernel is missing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import prepare from '../helpers/executable.ts';

const repository = join(import.meta.dirname, '../..');
const page = join(repository, 'docs/hosts.md');
const marks = ['<!-- kernels -->', '<!-- /kernels -->'] as const;

const everyStage = ['modules', 'verbs', 'vlan', 'ports', 'drop-in', 'queue', 'demo', 'lacking', 'offload'];

/** Stages of each machine, by the name of its kernel below test/.cache/kernels. */
const machines: Readonly<Record<string, readonly string[]>> = {
  '5.10': everyStage,
  '6.1': everyStage,
  '6.12': everyStage,
  backport: everyStage,
  arm64: ['verbs'],
};

/** What the last run of a stage gave. */
interface Outcome {
  readonly kernel: string;
  readonly passed: number;
  readonly failed: readonly string[];
}

/** By kernel and stage. */
type Outcomes = Readonly<Record<string, Readonly<Record<string, Outcome>>>>;

/** A stage takes minutes; on a machine that is busy with other things, many. */
const mostSecondsOfStage = Number(process.env['MOST_SECONDS'] ?? 2700);

const memory = join(repository, 'test/.cache/kernels/outcomes.json');

const words = process.argv.slice(2);
const unknown = words.find((word) => machines[word] === undefined && !everyStage.includes(word));
if (unknown !== undefined)
  throw new Error(
    `There is no kernel and no stage "${unknown}"; there are ${[...Object.keys(machines), ...everyStage].join(', ')}`,
  );
const isNamed = (names: readonly string[], name: string): boolean =>
  words.includes(name) || !words.some((word) => names.includes(word));
const kernels = Object.keys(machines).filter((name) => isNamed(Object.keys(machines), name));

prepare();
if (kernels.includes('arm64'))
  execFileSync(process.execPath, ['bundle/build.ts', '--target', 'linux-arm64'], { cwd: repository, stdio: 'inherit' });
let isWell = true;
for (const kernel of kernels) {
  if (!isThere(kernel)) {
    console.log(`${kernel}: there is no such kernel below test/.cache/kernels; "sh test/kernels/roots.sh" gets it`);
    isWell = false;
    continue;
  }
  for (const stage of machines[kernel]?.filter((name) => isNamed(everyStage, name)) ?? []) {
    const outcome = run(kernel, stage);
    isWell &&= outcome.failed.length === 0;
    const before = remembered();
    writeFileSync(memory, JSON.stringify({ ...before, [kernel]: { ...before[kernel], [stage]: outcome } }));
    writeTable(kernel, remembered()[kernel] ?? {});
  }
}
process.exitCode = isWell ? 0 : 1;

function remembered(): Outcomes {
  return existsSync(memory) ? (JSON.parse(readFileSync(memory, 'utf8')) as Outcomes) : {};
}

function run(kernel: string, stage: string): Outcome {
  const began = performance.now();
  const { facts, outcome } = readConsole(play(kernel, stage), stage);
  const seconds = Math.round((performance.now() - began) / 1000);
  const { passed, failed } = outcome;
  console.log(`${kernel} ${stage}: ${outcome.kernel}, ${passed} passed, ${failed.length} failed, ${seconds} s`);
  for (const title of failed) console.log(`  failed: ${title}`);
  const found = [...facts].filter(([fact]) => !['kernel', 'nft'].includes(fact));
  if (found.length > 0) console.log(`  has: ${found.map(([fact, value]) => `${fact} ${value}`).join(', ')}`);
  return outcome;
}

function isThere(name: string): boolean {
  const modules = join(repository, 'test/.cache/kernels', name, 'lib/modules');
  return existsSync(modules) && readdirSync(modules).length > 0;
}

/** What its console says is in a file meanwhile, for whoever looks on. */
function play(kernel: string, stage: string): string {
  const file = join(repository, 'test/.cache/kernels', `${kernel}.${stage}.console`);
  const console = openSync(file, 'w');
  spawnSync('sh', [join(import.meta.dirname, 'boot.sh'), kernel, stage], {
    stdio: ['ignore', console, 'inherit'],
    env: { ...process.env, MOST_SECONDS: `${mostSecondsOfStage}` },
  });
  closeSync(console);
  return readFileSync(file, 'utf8');
}

/** A machine that stopped half way has not passed: the stage has to come to its end. */
function readConsole(text: string, stage: string): { facts: ReadonlyMap<string, string>; outcome: Outcome } {
  const lines = text.split('\n').map((one) => one.trimEnd());
  const titles = (mark: string): string[] =>
    lines.flatMap((one) => (one.startsWith(mark) ? [one.slice(mark.length)] : []));
  const facts = new Map(
    titles('fact ').map((fact) => [fact.split(' ')[0] ?? '', fact.slice(fact.indexOf(' ') + 1)] as const),
  );
  const hasEnded = lines.some((one) => one.startsWith(`stage-end ${stage} 0 `));
  const failed = [
    ...titles('not ok '),
    ...(hasEnded
      ? []
      : [`it did not come to its end, in ${mostSecondsOfStage} s at most; it said last: ${lastOf(lines)}`]),
  ];
  return { facts, outcome: { kernel: facts.get('kernel') ?? '?', passed: titles('ok ').length, failed } };
}

function lastOf(lines: readonly string[]): string {
  return lines.findLast((one) => one !== '') ?? 'nothing';
}

function writeTable(kernel: string, stages: Outcomes[string]): void {
  const text = readFileSync(page, 'utf8');
  const [before = '', rest = ''] = text.split(marks[0]);
  const [table = '', after = ''] = rest.split(marks[1]);
  const standing = new Map(table.split('\n').map((line) => [line.split(' ')[1] ?? '', line]));
  const lines = Object.keys(machines).flatMap(
    (name) => (name === kernel ? rowOf(kernel, stages) : standing.get(name)) ?? [],
  );
  const head = [
    '| machine | kernel | stages that passed, and their checks | stages that did not |',
    '|---|---|---|---|',
  ];
  writeFileSync(page, `${before}${marks[0]}\n${[...head, ...lines].join('\n')}\n${marks[1]}${after}`);
}

function rowOf(kernel: string, stages: Outcomes[string]): string {
  const known = (machines[kernel] ?? []).flatMap((stage) => {
    const outcome = stages?.[stage];
    return outcome === undefined ? [] : [{ stage, ...outcome }];
  });
  const passed = known.filter(({ failed }) => failed.length === 0);
  const others = known.filter(({ failed }) => failed.length > 0);
  const releases = [...new Set(known.map(({ kernel: release }) => release))];
  const cells = [
    kernel,
    releases.join(', '),
    passed.map(({ stage, passed: count }) => `${stage} ${count}`).join(', '),
    others.map(({ stage }) => stage).join(', ') || '-',
  ];
  return `| ${cells.join(' | ')} |`;
}
