// Sums the runners' JSON reports into the line `N passed, N failed`. A missing report, a skipped test or a step that failed without a
// failed test counts as a failure: CI has everything that a test could ask for.
import { readFileSync } from 'node:fs';

const [stepsFailed, ...files] = process.argv.slice(2);
let [passed, failed] = [0, 0];
for (const file of files) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    passed += report.numPassedTests;
    failed +=
      report.numFailedTests +
      report.numFailedTestSuites * (report.numFailedTests === 0 ? 1 : 0) +
      report.numPendingTests;
    if (report.numPendingTests > 0) process.stdout.write(`${file}: ${report.numPendingTests} skipped\n`);
  } catch (error) {
    process.stdout.write(`${file}: ${error.message}\n`);
    failed += 1;
  }
}
if (stepsFailed !== '0' && failed === 0) failed = 1;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
