import type { Reporter, TestModule } from 'vitest/node';

/** With SKEIN_REQUIRE_ALL=1 a skipped test is a failure: CI has everything, so nothing may hide. */
export default class NoSkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) skipped.push(test.fullName);
    }
    if (skipped.length === 0) return;
    process.stderr.write(`\n${skipped.length} skipped test(s), none allowed here:\n`);
    for (const name of skipped) process.stderr.write(`  ${name}\n`);
    process.exitCode = 1;
  }
}
