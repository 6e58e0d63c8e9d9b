import { writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding } from '../finding.ts';
import { onInterrupt } from '../services.ts';
import { table as goalTable } from '../table.ts';
import { compare } from './compare.ts';
import { endToEnd } from './end-to-end.ts';
import type { Figures } from './figures.ts';
import { buildImages } from './images/build.ts';
import { FULL, SMALL } from './images/recipes.ts';
import { hasProgram, missing } from './needs.ts';
import { markdown, table } from './report.ts';
import { benchSampling } from './sampling.ts';
import { TOOLS } from './tools.ts';

const BENCHES = ['stores', 'end-to-end', 'sampling'];

const USAGE = `npm run bench:peers -- [--only ${BENCHES.join(',')}] [--small] [--dir DIR] [--build] [--json | --markdown] [--report FILE]
  builds images of an OS layer and working environments, once, and has LayerMover and its peers store and move them
  --small   two working environments, stores alone: minutes; goals that time decides are left out
  --build   builds the images, no more
  --report  how many goals were met and missed, as JSON
It needs root, debootstrap and apt, and measures those of ${TOOLS.map(({ name }) => name).join(', ')} that are installed.
`;

const stop = new AbortController();

/** Measures, tells, and ends with 1 if a goal is missed; with 0 if it can't measure here, and says why. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      small: { type: 'boolean', default: false },
      dir: { type: 'string', default: join(tmpdir(), 'layermover-peers') },
      build: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      report: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const names = values.only?.split(',') ?? (values.small ? ['stores'] : BENCHES);
  if (values.help || names.some((name) => !BENCHES.includes(name))) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const report = (findings: readonly Finding[], skipped = 0) => {
    if (values.report !== undefined) writeFileSync(values.report, counts(findings, skipped));
  };
  const tools = TOOLS.filter(({ program }) => hasProgram(program));
  const lacking = missing() ?? (tools.some(({ deduplicates }) => deduplicates) ? undefined : 'no peer is installed');
  if (lacking !== undefined) {
    process.stderr.write(`nothing was measured: ${lacking}\n`);
    report([], 1);
    return 0;
  }
  const note = (line: string) => void process.stderr.write(`${line}\n`);
  for (const { name, program, package: from } of TOOLS) {
    if (!hasProgram(program)) note(`${name} is not installed (package ${from}): left out`);
  }
  const base = resolve(values.dir);
  const options = { signal: stop.signal, note };
  const images = await buildImages(base, values.small ? SMALL : FULL, options);
  if (values.build) return 0;

  const settings = { ...options, dir: join(base, 'work') };
  const figures: Figures[] = [];
  const findings: Finding[] = [];
  if (names.includes('stores')) {
    const compared = await compare(images, tools, { ...settings, isTimed: !values.small });
    figures.push(...compared.figures);
    findings.push(...compared.findings);
  }
  if (names.includes('end-to-end')) {
    findings.push(...(await endToEnd(images, tools, { ...settings, threads: Math.min(4, availableParallelism()) })));
  }
  if (names.includes('sampling')) findings.push(...(await benchSampling(images, settings)));
  report(findings);
  const lines = values.json
    ? [...figures, ...findings].map((each) => JSON.stringify(each)).join('\n')
    : values.markdown
      ? markdown(figures, findings)
      : `${table(figures)}\n${goalTable(findings)}`;
  process.stdout.write(`${lines}\n`);
  return findings.every(({ isMet }) => isMet) ? 0 : 1;
}

/** As .ci/sum.js reads it. */
function counts(findings: readonly Finding[], skipped: number): string {
  const judged = findings.filter(({ goal }) => !goal.startsWith('none'));
  const numPassedTests = judged.filter(({ isMet }) => isMet).length;
  const numFailedTests = judged.length - numPassedTests;
  return JSON.stringify({ numPassedTests, numFailedTests, numFailedTestSuites: 0, numPendingTests: skipped });
}

const ended = main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  return stop.signal.aborted ? 130 : 1;
});
// Whoever interrupts waits until commands, mounts and services are gone.
onInterrupt(async () => {
  stop.abort(new Error('interrupted'));
  await ended;
});
process.exitCode = await ended;
