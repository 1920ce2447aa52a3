import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandLinePage } from '../../bundle/command-line-page.ts';
import { withSetsList } from '../../bundle/sets-list.ts';
import { codes } from '../../src/cni/errors.ts';
import { parsePluginConf } from '../../src/egress/conf.ts';
import { choiceKeys, policyKeys } from '../../src/egress/keys.ts';

const root = join(import.meta.dirname, '../..');
const pages = globSync(['*.md', 'docs/*.md', 'test/faults/complaints.md'], { cwd: root }).toSorted();

/** Programs that call CNI plugins: README may name one only when docs/runtimes.md has a row of it. */
const clients = [
  'cnitool',
  'containerd',
  'ctr',
  'crictl',
  'nerdctl',
  'podman',
  'CRI-O',
  'Kubernetes',
  'Nomad',
  'Mesos',
];

describe('README.md', () => {
  const readme = read('README.md');

  test('has at most 12 KB, so that it is read', () => {
    expect(statSync(join(root, 'README.md')).size).toBeLessThanOrEqual(12 * 1024);
  });

  test('shows the picture and the two commands on its first screen', () => {
    const screen = readme.split('\n').slice(0, 24).join('\n');
    expect(screen).toContain('(demo/graph.svg)');
    expect(screen.match(/^\$ .*$/gm)?.map((line) => line.split(' #')[0]?.trim())).toEqual([
      '$ npm run demo',
      '$ npm run build && sudo bundle/bin/drawbridge install',
    ]);
  });

  test('claims no client that no test runs', () => {
    const table = read('docs/runtimes.md');
    const rows = [...table.matchAll(/^\| ([^|]+) \| [^|]+ \| works/gm)].map(([, client = '']) => client);
    expect(rows.length).toBeGreaterThan(50);
    const claimed = clients.filter((client) => new RegExp(`(?<![\\w-])${client}(?![\\w-])`, 'u').test(readme));
    expect(claimed.filter((client) => !rows.some((row) => row.includes(client)))).toEqual([]);
    expect(claimed.length).toBeGreaterThan(3);
  });
});

test('docs/command-line.md is what "npm run docs" writes from the table of commands', () => {
  expect(read('docs/command-line.md'), 'run "npm run docs"').toBe(commandLinePage());
});

test('docs/internals.md lists the sets that the catalogue has', () => {
  const page = read('docs/internals.md');
  expect(page, 'run "npm run docs"').toBe(withSetsList(page));
});

describe.for(pages)('%s', (page) => {
  test('leads to files and headings that exist', () => {
    const links = [...read(page).matchAll(/\]\(([^)\s:]+)\)/gu)].map(([, link = '']) => link);
    expect(links.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });
});

describe.for(['ARCHITECTURE.md', 'docs/internals.md'])('the text of %s', (page) => {
  test('names files of the sources that exist', () => {
    // What is planned is not there yet.
    const text = read(page).replace(/^## The plan [^]*?(?=^## )/mu, '');
    const named = [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.ts)`/gu)].map(([, file = '']) => file);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((file) => !existsSync(join(root, file)) && !existsSync(join(root, 'src', file)))).toEqual([]);
  });
});

describe('docs/policies.md', () => {
  test('has a row for each key of a policy, and for no other', () => {
    const rows = [...read('docs/policies.md').matchAll(/^\| `(\w+)` \|/gmu)].map(([, key = '']) => key);
    expect(rows.toSorted()).toEqual([...policyKeys, ...choiceKeys].toSorted());
  });
});

describe.for(['README.md', 'docs/policies.md'])('the examples of %s', (page) => {
  const examples = [...read(page).matchAll(/^```json\n([^]*?)^```$/gmu)].map(([, text = '']) => text);

  test('are policies that the plugin takes', () => {
    expect(examples.length).toBeGreaterThan(2);
    for (const text of examples) expect(() => parsePluginConf(JSON.parse(text))).not.toThrow();
  });
});

test('docs/errors.md has a row for each code that a plugin may print', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| ([\d, ]+) \|/gmu)].flatMap(([, cell = '']) => cell.split(', '));
  expect(rows.map(Number)).toEqual(Object.values(codes));
});

describe('docs/glossary.md', () => {
  const terms = [...read('docs/glossary.md').matchAll(/^\| ([^|]+) \|/gmu)].flatMap(([, cell = '']) =>
    cell.split(', '),
  );

  const needed =
    'enforced, ingress policy, fail-closed gate, index, expiring, static, semaphore, spec, veth, evaluate, change event, attachment, record, section, layout, group, fqdn';

  test.for(needed.split(', '))('explains "%s"', (term) => {
    expect(terms).toContain(term);
  });
});

test('words that have a standard term by now are gone from pages and sources', () => {
  // A record of 0.1.0 still has them.
  const files = [...pages, ...globSync('src/**/*.ts', { cwd: root })].filter((file) => file !== 'src/records/parse.ts');
  const old = /\b(policed|polices|turnstiles?|walls|hints file)\b/iu;
  expect(files.filter((file) => old.test(read(file)))).toEqual([]);
});

test('README.md leads to every page of docs', () => {
  const readme = read('README.md');
  expect(globSync('docs/*.md', { cwd: root }).filter((page) => !readme.includes(`(${page})`))).toEqual([]);
});

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(root, file))) return false;
  return anchor === undefined || anchorsOf(file).includes(anchor);
}

/** As the repository's hosts make them of headings: lower case, without punctuation, dashes for spaces. */
function anchorsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gmu)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
