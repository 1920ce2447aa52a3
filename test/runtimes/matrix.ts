import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * A reporter of vitest that prints what was run as a table in Markdown, a row for each test: README's matrix is
 * copied from here. The name of a group of tests is the client with its version, that of a test what was run.
 */
export default class Matrix implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]).toSorted(byClient);
    const rows = tests.map((test) => row([clientOf(test), test.name, resultOf(test)]));
    console.log(['', row(['client', 'what was run', 'result']), '| --- | --- | --- |', ...rows, ''].join('\n'));
  }
}

function byClient(one: TestCase, other: TestCase): number {
  return clientOf(one).localeCompare(clientOf(other));
}

function clientOf({ parent }: TestCase): string {
  return parent.type === 'suite' ? parent.name : parent.relativeModuleId;
}

function resultOf(test: TestCase): string {
  const { state, errors = [] } = test.result();
  if (state === 'passed') return 'works';
  if (state === 'skipped') return 'not run: the client is not available here';
  return `fails: ${errors[0]?.message.split('\n', 1)[0]?.replaceAll(`${process.cwd()}/`, '') ?? state}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
