import { readFileSync, writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const page = new URL('../../docs/runtimes.md', import.meta.url);

/** The lines of the page between which the table stands. */
const [begin, end] = ['<!-- DRAWBRIDGE_DOCS=write npm run test:runtimes writes this -->', '<!-- end -->'];

/**
 * A reporter of vitest that prints what was run as a table in Markdown, a row for each test, and writes it into
 * docs/runtimes.md when DRAWBRIDGE_DOCS is "write" and all of it was run. The name of a group of tests is the client
 * with its version, that of a test what was run.
 */
export default class Matrix implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]).toSorted(byClient);
    const rows = tests
      .filter((test) => !clientOf(test).startsWith('docs/'))
      .map((test) => row([clientOf(test), test.name, resultOf(test)]));
    const table = [row(['client', 'what was run', 'result']), '| --- | --- | --- |', ...rows].join('\n');
    console.log(`\n${table}\n`);
    if (process.env['DRAWBRIDGE_DOCS'] === 'write') writeIntoPage(table, tests);
  }
}

function writeIntoPage(table: string, tests: readonly TestCase[]): void {
  const wrong = tests.filter((test) => test.result().state !== 'passed').map(({ fullName }) => fullName);
  if (wrong.length > 0) return console.error(`docs/runtimes.md stays as it is: not all passed: ${wrong.join('; ')}`);
  const text = readFileSync(page, 'utf8');
  const [start, stop] = [text.indexOf(begin!), text.indexOf(end!)];
  if (start < 0 || stop < start) throw new Error(`docs/runtimes.md lacks the lines "${begin}" and "${end}"`);
  writeFileSync(page, `${text.slice(0, start)}${begin}\n\n${table}\n\n${text.slice(stop)}`);
}

function byClient(one: TestCase, other: TestCase): number {
  return clientOf(one).localeCompare(clientOf(other));
}

function clientOf({ parent }: TestCase): string {
  return parent.type === 'suite' ? parent.name : parent.relativeModuleId;
}

function resultOf(test: TestCase): string {
  const { state, errors = [] } = test.result();
  if (state === 'passed') return test.options.fails === true ? 'differs: see below' : 'works';
  if (state === 'skipped') return 'not run: the client is not available here';
  return `fails: ${errors[0]?.message.split('\n', 1)[0]?.replaceAll(`${process.cwd()}/`, '') ?? state}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
