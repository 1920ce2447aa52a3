import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * A reporter of vitest that names the tests which failed at first and passed when they were repeated: one that fails
 * half of the time would else never be seen.
 */
export default class Retried implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]).filter(isRetried);
    const lines = tests.map(
      (test) => `passed on retry: ${test.module.relativeModuleId} > ${test.fullName}: ${why(test)}`,
    );
    console.log(['', ...(lines.length === 0 ? ['passed on retry: none'] : lines)].join('\n'));
  }
}

function isRetried(test: TestCase): boolean {
  return test.result().state === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0;
}

function why(test: TestCase): string {
  return test.result().errors?.[0]?.message.split('\n', 1)[0] ?? 'it does not say why';
}
