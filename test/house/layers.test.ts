import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { importsOf, readImports } from '../../bundle/layers/imports.ts';
import { arrowsOf, drawLayers } from '../../bundle/layers/picture.ts';
import { findViolations, type LayerTable } from '../../bundle/layers/violations.ts';

const root = join(import.meta.dirname, '../..');
const house = JSON.parse(readFileSync(join(root, 'src/layers.json'), 'utf8')) as LayerTable;

describe('src', () => {
  test('has arrows that point down, no circles, and no exception that is not needed', () => {
    expect(findViolations(house, readImports(join(root, 'src')))).toEqual([]);
  });

  test('is drawn in docs/layers.svg as its imports are', () => {
    const drawn = drawLayers(house, readImports(join(root, 'src')));
    expect(readFileSync(join(root, 'docs/layers.svg'), 'utf8'), 'run "npm run docs"').toBe(drawn);
  });
});

describe('the table', () => {
  const arrows = [
    ...['links/veth', 'ports/mapping', 'egress/policy', 'nft/element', 'ipam/ranges', 'plugins/status', 'host/nft'].map(
      (to) => ['cni/args.ts', `${to}.ts`] as const,
    ),
    ...[
      'dataplane/difference',
      'dataplane/elements/publication',
      'records/store',
      'ipam/leases',
      'plugins/status',
      'agent/agent',
      'cli/list',
    ].map((to) => ['host/run.ts', `${to}.ts`] as const),
    ['agent/services/sweep.ts', 'cli/list.ts'] as const,
    ['plugins/status.ts', 'agent/agent.ts'] as const,
    ['records/store.ts', 'plugins/status.ts'] as const,
  ];

  test.for(arrows)('refuses that %s imports %s', ([from, to]) => {
    const imports = new Map([...readImports(join(root, 'src'))].map(([file, paths]) => [file, new Set(paths)]));
    imports.get(from)?.add(to);
    expect(findViolations(house, imports).join()).toContain(`"${from}" (layer`);
  });
});

describe('a house of three layers', () => {
  const table: LayerTable = {
    layers: [
      { name: 'roof', about: '', rooms: ['roof', 'ground/ladder.ts'] },
      { name: 'floor', about: '', rooms: ['floor'] },
      { name: 'ground', about: '', rooms: ['ground'] },
    ],
    exceptions: [],
  };
  const sound = {
    'roof/a.ts': `import { b } from '../floor/b.ts'; import type { C } from '../ground/c.ts';`,
    'floor/b.ts': `import { c } from '../ground/c.ts';`,
    'ground/c.ts': `export const c = 1;`,
    'ground/ladder.ts': `export { a } from '../roof/a.ts';`,
  };
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'layers-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function judge(files: Readonly<Record<string, string>>, exceptions: LayerTable['exceptions'] = []): string[] {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    return findViolations({ ...table, exceptions }, readImports(folder));
  }

  test('is sound when every arrow points down', () => {
    expect(judge(sound)).toEqual([]);
  });

  test.for([
    ['a value', `import { a } from '../roof/a.ts';`],
    ['a type', `import type { A } from '../roof/a.ts';`],
    ['a re-export', `export * from '../roof/a.ts';`],
    ['a dynamic import', `const later = async () => import('../roof/a.ts');`],
    ['a bare import', `import '../roof/a.ts';`],
    ['an import over several lines', `import {\n  a,\n} from '../roof/a.ts';`],
  ])('refuses an arrow that runs up: %s', ([, text = '']) => {
    expect(judge({ ...sound, 'ground/d.ts': text })).toEqual([
      '"ground/d.ts" (layer "ground") imports "roof/a.ts" (layer "roof"), which is above it',
    ]);
  });

  test('refuses an arrow that runs up from a file that its folder places lower', () => {
    expect(judge({ ...sound, 'floor/d.ts': `import { a } from '../ground/ladder.ts';` })).toEqual([
      '"floor/d.ts" (layer "floor") imports "ground/ladder.ts" (layer "roof"), which is above it',
    ]);
  });

  test.for([
    ['values', 'import { e }'],
    ['types', 'import type { E }'],
  ])('refuses a circle of %s inside a layer', ([, what]) => {
    const circle = { 'floor/d.ts': `${what} from './e.ts';`, 'floor/e.ts': `${what} from './d.ts';` };
    expect(judge({ ...sound, ...circle })).toEqual([
      'these files import each other in a circle: floor/d.ts, floor/e.ts',
    ]);
  });

  test('refuses a circle of three files once, and tells of no file beside it', () => {
    const circle = {
      'floor/d.ts': `import './e.ts';`,
      'floor/e.ts': `import './f.ts'; import './b.ts';`,
      'floor/f.ts': `import './d.ts';`,
      'floor/g.ts': `import './d.ts';`,
    };
    expect(judge({ ...sound, ...circle })).toEqual([
      'these files import each other in a circle: floor/d.ts, floor/e.ts, floor/f.ts',
    ]);
  });

  test('refuses a file that no layer has', () => {
    expect(judge({ ...sound, 'cellar/d.ts': 'export {};' })).toEqual([
      '"cellar/d.ts" is in no layer of src/layers.json',
    ]);
  });

  test('refuses a layer that names what is not there', () => {
    const { 'ground/ladder.ts': _, ...others } = sound;
    expect(judge(others)).toEqual(['src/layers.json names "ground/ladder.ts", which has no file']);
  });

  test('lets an exception pass, and refuses one that is not needed any more', () => {
    const exceptions = [
      { from: 'ground/d.ts', to: 'roof/a.ts', because: 'it moves soon' },
      { from: 'ground/c.ts', to: 'roof/a.ts', because: 'it moved' },
    ];
    expect(judge({ ...sound, 'ground/d.ts': `import { a } from '../roof/a.ts';` }, exceptions)).toEqual([
      'the exception from "ground/c.ts" to "roof/a.ts" is not needed any more: take it out',
    ]);
  });

  test('is drawn with an arrow for each layer that a layer imports', () => {
    judge(sound);
    const arrows = arrowsOf(table, readImports(folder));
    expect(arrows.map(({ layer, below }) => [layer.name, below.map(({ name }) => name)])).toEqual([
      ['roof', ['floor', 'ground']],
      ['floor', ['ground']],
      ['ground', []],
    ]);
    const drawn = drawLayers(table, readImports(folder));
    expect(drawn.match(/class="to"/g)).toHaveLength(3);
  });
});

describe('the imports of a source', () => {
  test.for([
    [`// import { a } from './a.ts';`],
    [`/* import { a } from './a.ts'; */`],
    [`const text = "import { a } from './a.ts'";`],
    ["const text = `import { a } from './a.ts'`;"],
    [`import { readFileSync } from 'node:fs';`],
  ])('are none in %s', ([source = '']) => {
    expect(importsOf(source)).toEqual([]);
  });

  test('are found behind texts and comments that look like the beginning of others', () => {
    const source = `const url = 'https://example.org/*'; // don't\nimport { a } from './a.ts';\nexport * from "../b.ts";`;
    expect(importsOf(source)).toEqual(['./a.ts', '../b.ts']);
  });
});
