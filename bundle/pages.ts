/**
 * Writes the pages that are made of the sources: `npm run docs`. `test/house/pages.test.ts` fails when one of them is
 * not what this writes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLinePage } from './command-line-page.ts';

writeFileSync(join(import.meta.dirname, '../docs/command-line.md'), commandLinePage());
