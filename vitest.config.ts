import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // *.redis.test.ts, *.pg.test.ts and *.e2e.test.ts are among them: tools/prepare-test-services.mjs has seen to what they need.
    include: ['{server,contract,public,tests,load-tests}/**/*.test.{ts,tsx}'],
    globalSetup: ['./tests/no-process-left.ts'],
    // Processes, not threads: several suites kill servers, change signals and measure the event loop.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 300_000,
    teardownTimeout: 20_000,
    // A test that passes at the second attempt is a bug that nobody looks at.
    retry: 0,
    passWithNoTests: false,
    allowOnly: false,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', ['json', { outputFile: '.cache/test-report.json' }]],
    coverage: {
      provider: 'v8',
      include: ['server/**/*.ts', 'contract/**/*.ts', 'public/**/*.{ts,tsx}'],
      exclude: ['**/*.test.*', '**/*.contract.ts'],
      reportsDirectory: 'coverage',
    },
  },
});
