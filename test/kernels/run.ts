/**
 * Boots kernels of other releases and runs what this machine's kernel cannot: `npm run test:kernels [-- KERNEL…]`.
 * Writes the row of each kernel whose checks all passed into the table of docs/hosts.md, and takes out that of one
 * where a check failed. Exit status 1 when one did, or a kernel is missing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import prepare from '../helpers/executable.ts';

const repository = join(import.meta.dirname, '../..');
const page = join(repository, 'docs/hosts.md');
const marks = ['<!-- kernels -->', '<!-- /kernels -->'] as const;

const everyStage = ['modules', 'verbs', 'vlan', 'ports', 'drop-in', 'queue', 'demo', 'lacking'];

/** Stages of each machine, by the name of its kernel below test/.cache/kernels. */
const machines: Readonly<Record<string, readonly string[]>> = {
  '5.10': everyStage,
  '6.1': everyStage,
  '6.12': everyStage,
  backport: everyStage,
  arm64: ['verbs'],
};

interface Outcome {
  readonly facts: ReadonlyMap<string, string>;
  readonly passed: number;
  readonly failed: readonly string[];
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => machines[name] === undefined);
if (unknown !== undefined)
  throw new Error(`There is no kernel "${unknown}"; there are ${Object.keys(machines).join(', ')}`);
const chosen = Object.entries(machines).filter(([name]) => wanted.length === 0 || wanted.includes(name));

prepare();
if (chosen.some(([name]) => name === 'arm64'))
  execFileSync(process.execPath, ['bundle/build.ts', '--target', 'linux-arm64'], { cwd: repository, stdio: 'inherit' });
const rows = new Map(chosen.map(([name, stages]) => [name, rowOf(name, stages)] as const));
writeTable(rows);
process.exitCode = [...rows.values()].every((row) => row !== undefined) ? 0 : 1;

/** Undefined when something failed; it has been said then. */
function rowOf(name: string, stages: readonly string[]): string | undefined {
  if (!isThere(name)) {
    console.log(`${name}: there is no such kernel below test/.cache/kernels; "sh test/kernels/roots.sh" gets it`);
    return undefined;
  }
  const began = performance.now();
  const { facts, passed, failed } = readConsole(play(name, stages), stages);
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`${name}: ${facts.get('kernel') ?? '?'}, ${passed} passed, ${failed.length} failed, ${seconds} s`);
  for (const title of failed) console.log(`  failed: ${title}`);
  const found = [...facts].filter(([fact]) => !['kernel', 'nft'].includes(fact));
  if (found.length > 0) console.log(`  has: ${found.map(([fact, value]) => `${fact} ${value}`).join(', ')}`);
  if (failed.length > 0) return undefined;
  return `| ${name} | ${facts.get('kernel')} | ${stages.join(', ')} | ${passed} |`;
}

function isThere(name: string): boolean {
  const modules = join(repository, 'test/.cache/kernels', name, 'lib/modules');
  return existsSync(modules) && readdirSync(modules).length > 0;
}

/** What its console says is in a file meanwhile, for whoever looks on. */
function play(name: string, stages: readonly string[]): string {
  const file = join(repository, 'test/.cache/kernels', `${name}.console`);
  const console = openSync(file, 'w');
  spawnSync('sh', [join(import.meta.dirname, 'boot.sh'), name, ...stages], { stdio: ['ignore', console, 'inherit'] });
  closeSync(console);
  return readFileSync(file, 'utf8');
}

/** A machine that stopped half way has not passed: each stage has to come to its end. */
function readConsole(text: string, stages: readonly string[]): Outcome {
  const lines = text.split('\n').map((one) => one.trimEnd());
  const ended = new Set(lines.flatMap((one) => /^stage-end (\S+) 0 /u.exec(one)?.[1] ?? []));
  const facts = lines.flatMap((one) => {
    const [, name = '', value = ''] = /^fact (\S+) (.*)$/u.exec(one) ?? [];
    return name === '' ? [] : [[name, value] as const];
  });
  return {
    facts: new Map(facts),
    passed: lines.filter((one) => one.startsWith('ok ')).length,
    failed: [
      ...lines.filter((one) => one.startsWith('not ok ')).map((one) => one.slice('not ok '.length)),
      ...stages.filter((stage) => !ended.has(stage)).map((stage) => `the stage "${stage}" did not come to its end`),
    ],
  };
}

function writeTable(fresh: ReadonlyMap<string, string | undefined>): void {
  const text = readFileSync(page, 'utf8');
  const [before = '', rest = ''] = text.split(marks[0]);
  const [table = '', after = ''] = rest.split(marks[1]);
  const standing = new Map(table.split('\n').map((line) => [line.split(' ')[1] ?? '', line]));
  const lines = Object.keys(machines).flatMap((name) => (fresh.has(name) ? fresh.get(name) : standing.get(name)) ?? []);
  const head = ['| machine | kernel | stages | checks passed |', '|---|---|---|---|'];
  writeFileSync(page, `${before}${marks[0]}\n${[...head, ...lines].join('\n')}\n${marks[1]}${after}`);
}
