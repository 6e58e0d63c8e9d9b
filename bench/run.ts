import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchCatalog } from './catalog.ts';
import type { Finding, Settings } from './finding.ts';
import { benchForecast } from './forecast.ts';
import { benchGuestLatency } from './guest-latency.ts';
import { benchIndex } from './index-rows.ts';
import { benchKnownBase } from './known-base.ts';
import { benchLinear } from './linear.ts';
import { benchLive } from './live.ts';
import { markdown } from './markdown.ts';
import { benchMemory } from './memory.ts';
import { benchPush } from './push.ts';
import { benchQemuMirror } from './qemu-mirror.ts';
import { benchRestore } from './restore.ts';
import { benchScan } from './scan.ts';
import { onInterrupt } from './services.ts';
import { table } from './table.ts';

const MiB = 1024 * 1024;

const benches: Readonly<Record<string, (settings: Settings) => Promise<Finding[]>>> = {
  scan: benchScan,
  push: benchPush,
  restore: benchRestore,
  'known-base': benchKnownBase,
  forecast: benchForecast,
  live: benchLive,
  index: benchIndex,
  catalog: benchCatalog,
  memory: benchMemory,
  linear: benchLinear,
  'qemu-mirror': benchQemuMirror,
  'guest-latency': benchGuestLatency,
};

/** They take long: only if they are named. */
const BY_NAME = ['linear', 'qemu-mirror', 'guest-latency'];

/** Those that take no whole migration. */
const QUICK = ['scan', 'push', 'restore', 'catalog'];

const USAGE = `npm run bench -- [--only scan,push,…] [--quick] [--mib N] [--pairs N] [--gib 1,4] [--threads N] [--dir DIR]\n  [--json | --markdown]
benches: ${Object.keys(benches).join(' ')}\n`;

/** Measures, tells, and ends with 1 if a goal is missed. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      mib: { type: 'string' },
      pairs: { type: 'string' },
      gib: { type: 'string' },
      threads: { type: 'string', default: String(Math.min(4, availableParallelism())) },
      dir: { type: 'string', default: tmpdir() },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const names =
    values.only?.split(',') ?? (values.quick ? QUICK : Object.keys(benches).filter((name) => !BY_NAME.includes(name)));
  if (values.help || names.some((name) => benches[name] === undefined)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const findings: Finding[] = [];
  let folder = '';
  const remove = () => rmSync(folder, { recursive: true, force: true });
  onInterrupt(remove);
  for (const name of names) {
    folder = mkdtempSync(join(values.dir, 'layermover-bench-'));
    try {
      const settings = {
        folder,
        bytes: Number(values.mib ?? (values.quick ? 256 : 1024)) * MiB,
        pairs: Number(values.pairs ?? (values.quick ? 3 : 7)),
        threads: Number(values.threads),
        isQuick: values.quick,
        gib: (values.gib ?? (values.quick ? '0.25,0.5' : '1,4')).split(',').map(Number),
        note: (line: string) => void process.stderr.write(`${line}\n`),
      };
      findings.push(...(await benches[name]!(settings)));
    } finally {
      remove();
    }
  }
  const lines = values.json
    ? findings.map((finding) => JSON.stringify(finding)).join('\n')
    : (values.markdown ? markdown : table)(findings);
  process.stdout.write(`${lines}\n`);
  return findings.every((finding) => finding.isMet) ? 0 : 1;
}

process.exitCode = await main();
