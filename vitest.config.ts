import { defineConfig } from 'vitest/config';

/** A file that needs root, namespaces and the executable; everything else is a unit test. */
const needsRoot = 'test/**/*.netns.test.ts';

export default defineConfig({
  test: {
    reporters: ['default', './test/reporters/retried.ts', './test/reporters/counts.ts', './test/reporters/stages.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [needsRoot, 'test/runtimes/**', 'test/.cache/**'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'netns',
          include: [needsRoot],
          exclude: ['test/.cache/**'],
          globalSetup: 'test/helpers/executable.ts',
          testTimeout: 120_000,
          // A packet that comes too late on a loaded machine looks like one that was dropped. What is wrong fails twice.
          retry: 1,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'runtimes',
          include: ['test/runtimes/**/*.runtime.test.ts'],
          globalSetup: ['test/helpers/executable.ts', 'test/runtimes/missing.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
          retry: 1,
        },
      },
    ],
  },
});
