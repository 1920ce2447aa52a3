/**
 * Runs the tests of what differs between versions in roots of other distributions:
 * `npm run test:userlands [-- SUITE…]`. Writes the table of docs/hosts.md when all of them ran and passed. Exit status
 * 1 when a test failed or a root is missing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import prepare from '../helpers/executable.ts';
import { ask, isThere, runTests, suites, wholeForm, type Suite } from './userlands.ts';

const page = join(import.meta.dirname, '../../docs/hosts.md');
const marks = ['<!-- userlands -->', '<!-- /userlands -->'] as const;

const wanted = process.argv.slice(2);
const chosen = suites.filter((suite) => wanted.length === 0 || wanted.includes(suite));
if (chosen.length === 0)
  throw new Error(`There is no suite of these: ${wanted.join(', ')}; expected ${suites.join(', ')}`);

prepare();
const rows = chosen.map(rowOf);
const isWhole = rows.every((row) => row !== undefined);
if (isWhole && chosen.length === suites.length) writeTable(rows);
process.exitCode = isWhole ? 0 : 1;

/** Undefined when something failed; it has been said then. */
function rowOf(suite: Suite): string | undefined {
  if (!isThere(suite)) {
    console.log(`${suite}: there is no root of it below test/.cache/userlands`);
    return undefined;
  }
  const { passed, failed, seconds } = runTests(suite, wholeForm);
  console.log(`${suite}: ${passed} passed, ${failed.length} failed, ${seconds} s`);
  for (const title of failed) console.log(`  failed: ${title}`);
  if (passed === 0) console.log('  no test ran: is the executable as new as its sources? "npm run build" makes it');
  if (failed.length > 0 || passed === 0) return undefined;
  const versions = [
    '. /etc/os-release; echo "$PRETTY_NAME"',
    'nft --version | cut -d" " -f2 | tr -d v',
    'ip -V 2>/dev/null | sed "s/.*iproute2-//; s/,.*//"',
    'iptables --version | cut -d" " -f2 | tr -d v',
    'ldd --version | sed -n "1s/.* //p"',
  ].map((script) => ask(suite, script));
  return `| ${[...versions, `${passed}`].join(' | ')} |`;
}

function writeTable(lines: readonly string[]): void {
  const text = readFileSync(page, 'utf8');
  const [before = '', rest = ''] = text.split(marks[0]);
  const after = rest.split(marks[1])[1] ?? '';
  const head = ['| host | nft | iproute2 | iptables | glibc | tests passed |', '|---|---|---|---|---|---|'];
  writeFileSync(page, `${before}${marks[0]}\n${[...head, ...lines].join('\n')}\n${marks[1]}${after}`);
}
