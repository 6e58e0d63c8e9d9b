import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding } from '../finding.ts';
import { table as goalTable } from '../table.ts';
import { run } from './command.ts';
import type { Figures } from './figures.ts';
import { goals, SLOW_LINK_BYTES_PER_SECOND } from './goals.ts';
import { buildImages } from './images/build.ts';
import { FULL, SMALL } from './images/recipes.ts';
import { measureProduct } from './measure-product.ts';
import { measureTool } from './measure-tool.ts';
import { hasProgram, missing } from './needs.ts';
import { markdown, table } from './report.ts';
import { TOOLS } from './tools.ts';

const USAGE = `npm run bench:peers -- [--small] [--dir DIR] [--build] [--json | --markdown] [--report FILE]
  builds images of an OS layer and working environments, once, and has LayerMover and its peers store them
  --small   two working environments: minutes; goals that time decides are left out
  --build   builds the images, no more
  --report  how many goals were met and missed, as JSON
It needs root, debootstrap and apt, and measures those of ${TOOLS.map(({ name }) => name).join(', ')} that are installed.
`;

/** Measures, tells, and ends with 1 if a goal is missed; with 0 if it can't measure here, and says why. */
async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      small: { type: 'boolean', default: false },
      dir: { type: 'string', default: join(tmpdir(), 'layermover-peers') },
      build: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      report: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stderr.write(USAGE);
    return 0;
  }
  const report = (findings: readonly Finding[], skipped = 0) => {
    if (values.report !== undefined) writeFileSync(values.report, counts(findings, skipped));
  };
  const lacking = missing();
  if (lacking !== undefined) {
    process.stderr.write(`nothing was measured: ${lacking}\n`);
    report([], 1);
    return 0;
  }
  const dir = resolve(values.dir);
  const options = { signal, note: (line: string) => void process.stderr.write(`${line}\n`) };
  const images = await buildImages(dir, values.small ? SMALL : FULL, options);
  if (values.build) return 0;

  const work = join(dir, 'work');
  const tools = TOOLS.filter(({ program }) => hasProgram(program));
  for (const { name, package: from } of TOOLS) {
    if (!tools.some((tool) => tool.name === name)) options.note(`${name} is not installed (package ${from}): left out`);
  }
  if (!tools.some(({ deduplicates }) => deduplicates)) {
    options.note('nothing was measured: no peer is installed that deduplicates');
    report([], 1);
    return 0;
  }
  // What is not in memory would be read by whoever comes first.
  for (const { raw, chain } of [images.os, ...images.environments, images.vms[0]!]) {
    await run(['sh', '-c', 'cat "$@" >/dev/null', 'cat', raw, ...chain], options);
  }
  const all: Figures[] = [];
  const note = (name: string) => options.note(`measuring ${name}`);
  const product = async (name: string, bytesPerSecond?: number) => {
    note(name);
    const figures = await measureProduct({ name, bytesPerSecond }, images, work, options);
    all.push(figures);
    return figures;
  };
  const fast = await product('LayerMover');
  const slow = await product('LayerMover at 100 Mbit/s', SLOW_LINK_BYTES_PER_SECOND);
  for (const tool of tools) {
    note(tool.name);
    all.push(await measureTool(tool, images, work, options));
  }
  for (const tool of tools.filter(({ name }) => name.includes('fixed'))) {
    note(`${tool.name}, of the layers’ files`);
    all.push(await measureTool(tool, images, work, options, 'layer'));
  }
  const findings = goals({ fast, slow }, all, { isTimed: !values.small });
  report(findings);
  const lines = values.json
    ? [...all, ...findings].map((each) => JSON.stringify(each)).join('\n')
    : values.markdown
      ? markdown(all, findings)
      : `${table(all)}\n${goalTable(findings)}`;
  process.stdout.write(`${lines}\n`);
  return findings.every(({ isMet }) => isMet) ? 0 : 1;
}

/** As .ci/sum.js reads it. */
function counts(findings: readonly Finding[], skipped: number): string {
  const numPassedTests = findings.filter(({ isMet }) => isMet).length;
  const numFailedTests = findings.length - numPassedTests;
  return JSON.stringify({ numPassedTests, numFailedTests, numFailedTestSuites: 0, numPendingTests: skipped });
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
}
process.exitCode = await main(stop.signal).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  return stop.signal.aborted ? 130 : 1;
});
