// Prints `N passed, N failed` from the report that vitest leaves behind, and fails unless every test of a finished run passed.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const report = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache/test-report.json');
const { passed, failed } = totals();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

function totals() {
  // Without a report the run itself has failed, and that is one failure.
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, testResults, success } = JSON.parse(readFileSync(report, 'utf8'));
  // A file that does not load, or whose preparation fails, has no failed test of its own; it counts as one.
  const unprepared = testResults.filter((file) => file.status === 'failed' && !hasFailedTest(file));
  const failed = numFailedTests + unprepared.length;
  return { passed: numPassedTests, failed: success ? failed : Math.max(1, failed) };
}

function hasFailedTest({ assertionResults }) {
  return assertionResults.some(({ status }) => status === 'failed');
}
