/**
 * Writes the pages that are made of the sources: `npm run docs`. `test/house/pages.test.ts` fails when one of them is
 * not what this writes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLinePage } from './command-line-page.ts';
import { readImports } from './layers/imports.ts';
import { drawLayers } from './layers/picture.ts';
import type { LayerTable } from './layers/violations.ts';
import { schemaFiles } from '../src/cli/install/pages.ts';
import { withSetsList } from './sets-list.ts';

const root = join(import.meta.dirname, '..');

writeFileSync(join(root, 'docs/command-line.md'), commandLinePage());
const table = JSON.parse(readFileSync(join(root, 'src/layers.json'), 'utf8')) as LayerTable;
writeFileSync(join(root, 'docs/layers.svg'), drawLayers(table, readImports(join(root, 'src'))));
const internals = join(root, 'docs/internals.md');
writeFileSync(internals, withSetsList(readFileSync(internals, 'utf8')));
for (const { name, text } of schemaFiles()) writeFileSync(join(root, 'conf/schema', name), text);
