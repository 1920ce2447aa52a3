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
  'src/agent/services/sweep.ts',
  'src/plugins/collect.ts',
  'src/plugins/*/{check,del,gc}.ts',
  'src/plugins/drop-in/section.ts',
  'src/plugins/drop-in/{bandwidth,firewall,portmap}/verbs.ts',
  'src/records/*.ts',
  'src/repair/{chains,firewalls,gates,links,tables}.ts',
  'src/repair/orphans/*.ts',
  'src/repair/survey/{attachments,denials,find}.ts',
];

/** The types, and what reads the records of older versions. */
const exempt = new Set(['src/records/record.ts', 'src/records/parse.ts']);

/**
 * A field of one section. What a policy says is no secret: it is shown, and compared with its file; only that which an
 * attachment holds on the host is the section's own.
 */
const fieldOfOne =
  /(?<!upkeep\.)\b(?:(?:link|published|ingressPolicy|shaped)\??\.(?!ts\b)\w|egress\??\.(?:addresses|gateways|ingressInterface|mac|port)\b)/;

interface Line {
  readonly file: string;
  readonly line: string;
}

/** Lines of code; comments are about code. */
function linesOf(pattern: string): Line[] {
  return globSync(pattern, { cwd: root }).flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .map((line) => ({ file, line: line.trim() }))
      .filter(({ line }) => !/^(?:\*|\/\/|\/\*\*)/.test(line)),
  );
}

test('the files that the rule is about are there', () => {
  expect(askTheList.filter((pattern) => globSync(pattern, { cwd: root }).length === 0)).toEqual([]);
});

test.for([
  'if (record.link?.hostInterface === name)',
  'await removeVeth(shaped.ifb);',
  'records.map(({ egress }) => egress?.ingressInterface)',
])('the rule sees "%s"', (line) => {
  expect(fieldOfOne.test(line)).toBe(true);
});

test('no file outside of records/sections names the fields of a section to remove, check or list it', () => {
  const found = askTheList.flatMap(linesOf).filter(({ file, line }) => !exempt.has(file) && fieldOfOne.test(line));
  expect(found).toEqual([]);
});

test('the conf of ADD is read as it was parsed: its text is for the stdin of another plugin', () => {
  const isText = /\blink\??\.conf\b|\bconf\[/;
  const found = linesOf('src/**/*.ts').filter(
    ({ file, line }) => !file.startsWith('src/records/sections/') && isText.test(line),
  );
  expect(found).toEqual([]);
});
