import { defineConfig } from 'vitest/config';

const skippedIsFailure = process.env['SKEIN_REQUIRE_ALL'] === '1';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['dist/**', 'node_modules/**'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: skippedIsFailure ? ['default', './test/support/no-skip-reporter.ts'] : ['default'],
  },
});
