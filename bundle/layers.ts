/** Says which imports of src run up or in circles, by the table src/layers.json: a step of `npm run check`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readImports } from './layers/imports.ts';
import { findViolations, type LayerTable } from './layers/violations.ts';

const src = join(import.meta.dirname, '../src');
const table = JSON.parse(readFileSync(join(src, 'layers.json'), 'utf8')) as LayerTable;
const violations = findViolations(table, readImports(src));
for (const violation of violations) console.error(`layers: ${violation}`);
process.exitCode = violations.length === 0 ? 0 : 1;
