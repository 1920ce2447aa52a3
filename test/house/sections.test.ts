import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Where an attachment is removed, checked, listed, or looked for among what is left over. */
const askTheList = [
  'src/cli/clean.ts',
  'src/cli/list.ts',
  'src/cli/list/*.ts',
  'src/cli/uninstall.ts',
  'src/agent/sweep.ts',
  'src/plugins/*/del.ts',
  'src/plugins/*/gc.ts',
  'src/plugins/collect.ts',
  'src/plugins/drop-in/section.ts',
  'src/records/*.ts',
  'src/repair/orphans/*.ts',
  'src/repair/survey/{attachments,denials,find}.ts',
];

/**
 * Fields that one section has. Those of "link" and "egress" that say what a policy or a bridge is are asked for by who
 * applies them: ADD, refresh, the gates.
 */
const fieldsOfOne = /\b(?:hostInterface|ifb|dataDir|published|ingressPolicy|shaped)\b/;

/** What may name them: the types, the sections and what reads old records. */
const exempt = /^src\/records\/(?:record|parse|key|gates?|gate-parts|sections|upkeep)\.ts$/;

function linesOf(pattern: string): { file: string; line: string }[] {
  return globSync(pattern, { cwd: root }).flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => !/^\s*(?:\*|\/\/|\/\*\*)/.test(line))
      .map((line) => ({ file, line: line.trim() })),
  );
}

test('the files that the rule is about are there', () => {
  for (const pattern of askTheList) expect(globSync(pattern, { cwd: root }), pattern).not.toEqual([]);
});

test('no file outside of records/sections names the fields of a section to remove, check or list it', () => {
  const found = askTheList.flatMap(linesOf).filter(({ file, line }) => !exempt.test(file) && fieldsOfOne.test(line));
  expect(found).toEqual([]);
});

test('the conf of ADD is read as it was parsed: its text is for the stdin of another plugin', () => {
  const raw = /\blink\??\.conf\b|\bconf\['/;
  const found = linesOf('src/**/*.ts').filter(
    ({ file, line }) => !file.startsWith('src/records/sections/') && raw.test(line),
  );
  expect(found).toEqual([]);
});
