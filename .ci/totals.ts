/** Prints "N passed, N failed" from the report of vitest's json reporter; exit 1 unless tests ran and all passed. */
import { readFileSync } from 'node:fs';

interface Report {
  success: boolean;
  numPassedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

const report = readReport(process.argv[2] ?? '');
const passed = report?.numPassedTests ?? 0;
const failed = report?.testResults.map(failuresOf).reduce((sum, count) => sum + count, 0) ?? 0;
if (report?.success !== true || failed > 0 || passed === 0) process.exitCode = 1;
if (passed === 0 && failed === 0) console.log('No tests ran');
console.log(`${passed} passed, ${failed} failed`);

/** A file that fails before its first test (a syntax error, a hook) counts as one. */
function failuresOf({ status, assertionResults }: Report['testResults'][number]): number {
  const failures = assertionResults.filter((test) => test.status === 'failed').length;
  return failures === 0 && status === 'failed' ? 1 : failures;
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}
