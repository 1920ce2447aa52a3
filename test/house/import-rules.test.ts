import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const pureRooms = [
  'src/links/x.ts',
  'src/ip/x.ts',
  'src/ipam/ranges-x.ts',
  'src/ipam/pool.ts',
  'src/ports/x.ts',
  'src/egress/x.ts',
  'src/seccomp/x.ts',
  'src/kubernetes/policy/x.ts',
  'src/nft/x.ts',
  'src/records/sections/x.ts',
  'src/dataplane/catalogue/x.ts',
  'src/dataplane/pods/x.ts',
  'src/dataplane/transaction.ts',
  'src/digest/x.ts',
  'src/text/x.ts',
];
const otherRooms = [
  'src/flows/x.ts',
  'src/plugins/x.ts',
  'src/ipam/x.ts',
  'src/records/x.ts',
  'src/dataplane/x.ts',
  'src/repair/x.ts',
  'src/agent/x.ts',
  'src/cli/x.ts',
];
const effectsOfEgress = ['src/egress/names-x.ts', 'src/egress/load-x.ts'];
const startNothing = ['src/main.ts', 'src/cni/x.ts', 'src/host/x.ts', ...otherRooms, ...effectsOfEgress, ...pureRooms];

const refused: [file: string, text: string, rule: string][] = [
  ...startNothing.flatMap((file): [string, string, string][] => [
    [file, `import { execa } from 'execa'; void execa;`, 'no-restricted-imports'],
    [file, `import { spawn } from 'node:child_process'; void spawn;`, 'no-restricted-imports'],
    [file, `void import('node:child_process');`, 'no-restricted-imports'],
  ]),
  ...pureRooms.flatMap((file): [string, string, string][] => [
    ...['node:fs', 'node:fs/promises', 'node:net', 'node:dns/promises', 'node:os'].map(
      (name): [string, string, string] => [
        file,
        `import * as effect from '${name}'; void effect;`,
        'no-restricted-imports',
      ],
    ),
    [file, `import fs from 'fs'; void fs;`, 'prefer-node-protocol'],
    [file, `import { run } from '../host/run.ts'; void run;`, 'no-restricted-imports'],
    [file, `import { run } from '../../host/run.ts'; void run;`, 'no-restricted-imports'],
    [file, `export * from '../host/nft.ts';`, 'no-restricted-imports'],
    [file, `void import('../host/nft.ts');`, 'no-restricted-imports'],
    [file, `import { reserve } from '../ipam/leases.ts'; void reserve;`, 'no-restricted-imports'],
    [file, `import { write } from '../records/store.ts'; void write;`, 'no-restricted-imports'],
    [file, `import { names } from '../egress/names-resolve.ts'; void names;`, 'no-restricted-imports'],
    [file, `import { add } from '../plugins/drawbridge.ts'; void add;`, 'no-restricted-imports'],
    [file, `import { repair } from '../repair/tables.ts'; void repair;`, 'no-restricted-imports'],
    [file, `void process.env['HOME'];`, 'no-restricted-globals'],
    [file, `void fetch('http://192.0.2.1/');`, 'no-restricted-globals'],
  ]),
  ['src/egress/x.ts', `import { load } from './load-policy.ts'; void load;`, 'no-restricted-imports'],
  ['src/page/x.ts', `import { run } from '../host/run.ts'; void run;`, 'no-restricted-imports'],
  ['src/page/x.ts', `import { readFileSync } from 'node:fs'; void readFileSync;`, 'no-restricted-imports'],
  ...['src/host/x.ts', 'src/host/run.ts'].map((file): [string, string, string] => [
    file,
    `import type { Value } from '../cni/request.ts'; export type { Value };`,
    'no-restricted-imports',
  ]),
  ...['src/host/x.ts', 'src/host/run.ts'].map((file): [string, string, string] => [
    file,
    `import { planVeth } from '../links/veth.ts'; void planVeth;`,
    'no-restricted-imports',
  ]),
  ...['conf', 'command', 'addresses', 'limits'].map((name): [string, string, string] => [
    'src/host/x.ts',
    `import { value } from '../links/${name}.ts'; void value;`,
    'no-restricted-imports',
  ]),
  ...['src/plugins/x.ts', 'src/cni/request.ts', 'src/host/x.ts', 'src/records/x.ts'].flatMap(
    (file): [string, string, string][] => [
      [file, `console.log('not the protocol');`, 'no-console'],
      [file, `process.stdout.write('not the protocol');`, 'no-restricted-properties'],
      [file, `process.exit(0);`, 'no-restricted-properties'],
      [file, `process.exitCode = 1;`, 'no-restricted-properties'],
    ],
  ),
  ['src/plugins/x.ts', `export {};${'\n//'.repeat(300)}`, 'max-lines'],
  ['src/plugins/x.ts', `import './cycle-b.ts';`, 'no-cycle'],
];

/** What only the linter's type-aware half sees. It judges one folder: a program of its own for every case is slow. */
const refusedByType: [file: string, text: string, rule: string][] = [
  ['src/plugins/a.ts', `async function later() {}\nlater();`, 'no-floating-promises'],
  [
    'src/plugins/b.ts',
    `async function yes() {\n  return true;\n}\nif (yes()) throw new Error();`,
    'no-misused-promises',
  ],
  [
    'src/plugins/c.ts',
    `export function name(mode: 'a' | 'b') {\n  switch (mode) {\n    case 'a':\n      return 1;\n  }\n  return 2;\n}`,
    'switch-exhaustiveness-check',
  ],
];

const accepted: [file: string, text: string][] = [
  ['src/host/run.ts', `import { execa } from 'execa'; void execa;`],
  ['src/host/x.ts', `import { CniError } from '../cni/errors.ts'; void CniError;`],
  ['src/host/x.ts', `import type { VethPlan } from '../links/veth.ts'; export type { VethPlan };`],
  ['src/host/x.ts', `import { conflictingAddresses } from '../links/conflicts.ts'; void conflictingAddresses;`],
  [
    'src/host/x.ts',
    `import { run } from './run.ts'; import { readFileSync } from 'node:fs'; void [run, readFileSync];`,
  ],
  [
    'src/host/foreign/x.ts',
    `import { run } from '../run.ts'; import { CniError } from '../../cni/errors.ts'; void [run, CniError];`,
  ],
  ['src/cni/delegate.ts', `import { run } from '../host/run.ts'; void run;`],
  ['src/cni/serve.ts', `process.stdout.write(''); process.exitCode = 1;`],
  ['src/main.ts', `process.exit(2);`],
  ['src/cli/list.ts', `console.log('a table');`],
  ['src/agent/x.ts', `process.exit(0);`],
  ['src/ipam/leases.ts', `import { open } from 'node:fs/promises'; void open;`],
  ['src/egress/names-x.ts', `import { run } from '../host/run.ts'; import dns from 'node:dns'; void [run, dns];`],
  ['src/egress/load-x.ts', `import { readFileSync } from 'node:fs'; void readFileSync;`],
  [
    'src/nft/x.ts',
    `import { createHash } from 'node:crypto'; import { Address4 } from 'ip-address'; void [createHash, Address4];`,
  ],
  ['src/nft/x.ts', `import type { RunResult } from '../host/run.ts'; export type { RunResult };`],
  [
    'src/nft/x.ts',
    `import { key } from '../records/record.ts'; import { CniError } from '../cni/errors.ts'; void [key, CniError];`,
  ],
  [
    'src/links/x.ts',
    `import { list } from '../ipam/ranges.ts'; import { put } from '../nft/element.ts'; void [list, put];`,
  ],
];

interface Diagnostic {
  code: string;
  filename: string;
}

let folder: string;
let found: Diagnostic[];

// Every case gets a house of its own, so that one run of the linter judges them all.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'house-'));
  [...refused, ...accepted].forEach(([file, text], index) => {
    put(`case-${index}/${file}`, `${text}\n`);
    put(`case-${index}/src/plugins/cycle-b.ts`, `import './x.ts';\n`);
    copyFileSync(join(root, '.oxlintrc.json'), join(folder, `case-${index}/.oxlintrc.json`));
  });
  found = lint(folder, []);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the linter refuses', () => {
  test.each(numbered(refused, 0))('$file: $line ($rule)', ({ file, rule, index }) => {
    expect(codes(found, `case-${index}/${file}`)).toContainEqual(expect.stringContaining(`(${rule})`));
  });
});

test('the linter refuses promises that nobody waits for and switches that forget a case', () => {
  const house = join(folder, 'by-type');
  for (const [file, text] of refusedByType) put(`by-type/${file}`, `${text}\n`);
  for (const file of ['.oxlintrc.json', 'tsconfig.json']) copyFileSync(join(root, file), join(house, file));
  symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'));
  const diagnostics = lint(house, ['--type-aware']);
  const seen = refusedByType.map(([file, text]) => [file, text, codes(diagnostics, file).join()]);
  expect(seen).toEqual(refusedByType.map(([file, text, rule]) => [file, text, `typescript(${rule})`]));
}, 60_000);

describe('the linter accepts', () => {
  test.each(numbered(accepted, refused.length))('$file: $line', ({ file, index }) => {
    expect(codes(found, `case-${index}/${file}`)).toEqual([]);
  });
});

test('every room of src is in the tables above', () => {
  const rooms = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const tested = new Set([...startNothing, ...refused.map(([file]) => file)].map((file) => file.split('/')[1]));
  expect(rooms.map(({ name }) => name).filter((name) => !tested.has(name))).toEqual([]);
});

test('no file or folder of src is named for nothing in particular', () => {
  const names = globSync('**/*', { cwd: join(root, 'src') });
  expect(names.filter((name) => /(^|[/-])(utils?|helpers?|common|manager|misc)([/.-]|$)/.test(name))).toEqual([]);
});

/** A title takes one line of a case's text. */
function numbered(rows: [file: string, text: string, rule?: string][], first: number) {
  return rows.map(([file, text, rule = ''], index) => ({
    file,
    line: text.split('\n')[0],
    rule,
    index: first + index,
  }));
}

function put(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

function codes(diagnostics: Diagnostic[], file: string): string[] {
  return diagnostics.filter(({ filename }) => filename === file).map(({ code }) => code);
}

function lint(cwd: string, flags: string[]): Diagnostic[] {
  try {
    execFileSync(join(root, 'node_modules/.bin/oxlint'), [...flags, '--format=json', '.'], {
      cwd,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` },
    });
  } catch (error) {
    const { diagnostics } = JSON.parse((error as { stdout: string }).stdout) as { diagnostics: Diagnostic[] };
    return diagnostics;
  }
  return [];
}
