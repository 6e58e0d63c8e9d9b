import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeOf } from '../bin/output/forecast.ts';
import type { Finding, Settings } from './finding.ts';
import { CASES, makeImages } from './forecast/cases.ts';
import type { Way } from './linked-agent.ts';
import { LinkedStage } from './linked-stage.ts';

const MiB = 1024 * 1024;
const LINKS_MBIT = [50, 200, 1000];
const ROUND_TRIPS_MS = [0, 20];
/** What a base is to take on the link. */
const SECONDS = 14;
/** What its content shrinks to. */
const COMPRESSED = 0.4;
/** Over a fast link the processor decides. */
const BASE_BYTES_MAX = 1536 * MiB;
const OFF_MAX = 0.15;
/** What takes less than ten seconds is polled for in steps of up to two. */
const SHORT_MS = 10_000;
const SHORT_OFF_MAX_MS = 2_000;

/** What was expected, and what it was. */
interface Told {
  readonly name: string;
  readonly expected: { readonly wireBytes: number; readonly milliseconds: number };
  readonly was: { readonly wireBytes: number; readonly milliseconds: number };
}

/** Moves VMs over links of several speeds, and sets bytes and time against what their plans expected. */
export async function benchForecast(settings: Settings): Promise<Finding[]> {
  const findings: Finding[] = [];
  const ways = settings.isQuick
    ? [{ mbit: 200, roundTripMs: 20 }]
    : LINKS_MBIT.flatMap((mbit) => ROUND_TRIPS_MS.map((roundTripMs) => ({ mbit, roundTripMs })));
  for (const { mbit, roundTripMs } of ways) {
    const what = `${mbit} Mbit/s, ${roundTripMs} ms there and back`;
    settings.note(`forecast: ${what}`);
    const folder = join(settings.folder, `${mbit}-${roundTripMs}`);
    const told = await measure(folder, { bytesPerSecond: (mbit * 1e6) / 8, roundTripMs }, settings);
    findings.push(bytesFinding(what, told), timeFinding(what, told));
  }
  return findings;
}

/** All but the first: it teaches the hosts their link. */
async function measure(folder: string, way: Way, { note }: Pick<Settings, 'note'>): Promise<Told[]> {
  const ownBytes = Math.min(BASE_BYTES_MAX / 2, Math.ceil((SECONDS * way.bytesPerSecond) / MiB) * MiB);
  const baseBytes = Math.min(BASE_BYTES_MAX, Math.ceil(ownBytes / COMPRESSED / MiB) * MiB);
  const stage = new LinkedStage(folder);
  const told: Told[] = [];
  try {
    mkdirSync(join(folder, 'a'), { recursive: true });
    await makeImages(join(folder, 'a'), { baseBytes, ownBytes });
    await stage.start(way);
    for (const { name, vms, policy } of CASES) {
      const outcome = outcomeOf((await stage.move(vms, policy)).migration);
      if (outcome === undefined) throw new Error(`${name} has no forecast`);
      note(`forecast: ${name}: ${JSON.stringify(outcome)}`);
      told.push({ name, ...outcome });
    }
  } finally {
    await stage.stop();
  }
  return told.slice(1);
}

function bytesFinding(what: string, told: readonly Told[]): Finding {
  const ratios = told.map(({ name, expected, was }) => ({ name, ratio: expected.wireBytes / was.wireBytes }));
  return {
    bench: 'forecast',
    what: `${what}: bytes on the wire, expected ÷ was`,
    goal: `within ${100 * OFF_MAX} %`,
    found: ratios.map(({ name, ratio }) => `${name} ${ratio.toFixed(2)}`).join(', '),
    isMet: ratios.every(({ ratio }) => Math.abs(ratio - 1) <= OFF_MAX),
    figures: Object.fromEntries(ratios.map(({ name, ratio }) => [name, ratio])),
  };
}

function timeFinding(what: string, told: readonly Told[]): Finding {
  const times = told.map(({ name, expected, was }) => {
    const [offMs, wasMs] = [expected.milliseconds - was.milliseconds, was.milliseconds];
    const offMax = wasMs < SHORT_MS ? SHORT_OFF_MAX_MS : OFF_MAX * wasMs;
    return { name, ratio: expected.milliseconds / wasMs, wasMs, isMet: Math.abs(offMs) <= offMax };
  });
  return {
    bench: 'forecast',
    what: `${what}: time, expected ÷ was`,
    goal: `within ${100 * OFF_MAX} %, ${SHORT_OFF_MAX_MS / 1000} s of less than ${SHORT_MS / 1000}`,
    found: times
      .map(({ name, ratio, wasMs }) => `${name} ${ratio.toFixed(2)} (${(wasMs / 1000).toFixed(1)} s)`)
      .join(', '),
    isMet: times.every(({ isMet }) => isMet),
    figures: Object.fromEntries(
      times.flatMap(({ name, ratio, wasMs }) => [
        [name, ratio],
        [`${name} ms`, wasMs],
      ]),
    ),
  };
}
