/**
 * `node summary.mjs REPORT [--allow-skips]`: one line about a vitest JSON report, "N passed, N failed" and the skipped
 * ones. Exit code 1 when no test ran, one failed, or one was skipped without permission.
 */
import { readFileSync } from 'node:fs';

const [reportFile, permission] = process.argv.slice(2);
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
  readFileSync(reportFile, 'utf8'),
);

/** A file that broke before its first test counts as one failure: its tests are in no other number. */
const brokenFiles = testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
);
const failed = numFailedTests + brokenFiles.length;
const skipped = numPendingTests + numTodoTests;
const areSkipsAllowed = permission === '--allow-skips';

// Where tests failed, others were skipped for it; the reporter has told about those.
for (const { name, assertionResults } of failed > 0 ? [] : testResults) {
  for (const { status, fullName } of assertionResults) {
    if (status !== 'passed') process.stdout.write(`skipped: ${name}: ${fullName}\n`);
  }
}
process.stdout.write(`${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
if (numPassedTests === 0 || failed > 0 || (skipped > 0 && !areSkipsAllowed)) process.exitCode = 1;
