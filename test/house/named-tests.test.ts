import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** Files and folders of tests that a page names, and titles that follow the name of a file: `file` "one", "other". */
function namedIn(page: string): { files: string[]; titles: { file: string; title: string }[] } {
  const text = read(page);
  const files = [...text.matchAll(/`(test\/[^`\s{}*]+)`/gu)].map(([, file = '']) => file);
  const title = /"((?:[^"\\]|\\.)+)"/gu;
  const titles = [...text.matchAll(/`(test\/[^`\s{}*]+\.ts)`((?:,? "(?:[^"\\]|\\.)+")+)/gu)].flatMap(
    ([, file = '', quoted = '']) =>
      [...quoted.matchAll(title)].map(([, one = '']) => ({ file, title: one.replaceAll('\\"', '"') })),
  );
  return { files: [...new Set(files)], titles };
}

/** Whether the source of a test has a title: as written, whatever quotes it stands in. */
function hasTitle({ file, title }: { file: string; title: string }): boolean {
  const source = read(file).replaceAll("\\'", "'").replaceAll('\\"', '"');
  return title.split('…').every((part) => source.includes(part.trim()));
}

const pages = globSync(['*.md', 'docs/*.md', 'test/faults/complaints.md'], { cwd: root }).toSorted();

describe.for(pages)('%s', (page) => {
  test('names files of tests that exist, with titles that they have', () => {
    const { files, titles } = namedIn(page);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    expect(titles.filter((named) => !hasTitle(named))).toEqual([]);
  });
});

test('ARCHITECTURE.md names files and folders of src that exist', () => {
  const paths = [...read('ARCHITECTURE.md').matchAll(/`([a-z]+\/[\w./-]+)`/gu)].map(([, path = '']) => path);
  const ofRooms = paths.filter((path) => existsSync(join(root, 'src', path.split('/', 1)[0] ?? '')));
  expect(ofRooms.length).toBeGreaterThan(50);
  expect(ofRooms.filter((path) => !existsSync(join(root, 'src', path)))).toEqual([]);
});

describe('complaints.md', () => {
  const rows = read('test/faults/complaints.md')
    .split('\n')
    .filter((line) => /^\| \d+ \|/u.test(line))
    .map((line) => line.split(' | '));

  test('has each complaint once, with the threads it comes from', () => {
    expect(rows.map(([number = '']) => Number(number.slice(2)))).toEqual(Array.from({ length: 38 }, (_, at) => at + 1));
    for (const [, , threads = ''] of rows)
      expect(threads).toMatch(/^(?:[\w-]+#\d+|GHSA-[\w-]+)(?:, (?:[\w-]+#\d+|GHSA-[\w-]+))*$/u);
  });

  test('shows each by a test with its title, or by a sentence of the limits', () => {
    const limits = read('docs/limits.md').replaceAll(/\s+/gu, ' ');
    for (const [number = '', , , shown = ''] of rows) {
      const sentences = [...shown.matchAll(/Limits "([^"]+)"/gu)].map(([, sentence = '']) => sentence);
      const titles = [...shown.matchAll(/`test\/[^`]+`,? "/gu)];
      expect(titles.length + sentences.length, `complaint ${number}`).toBeGreaterThan(0);
      for (const sentence of sentences) expect(limits).toContain(sentence);
    }
  });
});

describe('docs/protocol.md', () => {
  test('shows each sentence by a test with its title', () => {
    const rows = read('docs/protocol.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| what is asked'));
    expect(rows.length).toBeGreaterThan(150);
    expect(rows.filter((line) => !/`test\/[^`]+\.ts`,? "/u.test(line))).toEqual([]);
  });
});

describe('SECURITY.md', () => {
  const rows = (from: string): string[] =>
    (read('SECURITY.md').split(`## ${from}`)[1]?.split('\n## ')[0]?.split('\n') ?? [])
      .filter((line) => line.startsWith('| '))
      .slice(1);

  test('shows each defence by a test with its title', () => {
    const defences = rows('What a container may try');
    expect(defences.length).toBeGreaterThan(40);
    expect(defences.filter((line) => !/`test\/[^`]+\.ts`,? "[^|]*\|$/u.test(line))).toEqual([]);
  });

  test('says what is not defended, and why', () => {
    expect(rows('What is not defended').length).toBeGreaterThan(5);
  });
});
