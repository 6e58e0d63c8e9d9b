// Sums the runners' JSON reports into the line `N passed, N failed`. A missing report, a skipped test or a step that failed without a
// failed test counts as a failure: CI has everything that a test could ask for. What failed is named just before that line, since a
// reader of a long log begins at its end.
import { readFileSync } from 'node:fs';

const tell = (line) => process.stdout.write(`${line}\n`);

/** One line for each test of a report that did not pass, and for each file that could not be run. */
function failuresOf(report) {
  return (report.testResults ?? []).flatMap((file) => {
    const bad = file.assertionResults.filter(({ status }) => status !== 'passed');
    if (bad.length === 0 && file.status === 'failed') return [`${file.name}: ${file.message}`];
    return bad.map(({ fullName, status, failureMessages }) =>
      [`${status}: ${file.name}: ${fullName}`, ...(failureMessages ?? [])].join('\n    '),
    );
  });
}

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
    for (const failure of failuresOf(report)) tell(failure);
  } catch (error) {
    tell(`${file}: ${error.message}`);
    failed += 1;
  }
}
if (stepsFailed !== '0' && failed === 0) {
  tell('a step failed, though none of its tests did');
  failed = 1;
}
tell(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
