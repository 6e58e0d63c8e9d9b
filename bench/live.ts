import { join } from 'node:path';
import type { Cutover } from '../core/api/tasks.ts';
import type { Finding, Settings } from './finding.ts';
import { hasQemu, makeGuest } from './live/guests.ts';
import { LiveStage, type MovedVm } from './live/stage.ts';
import { median } from './pairs.ts';

const CUTOVERS = 20;
const CUTOVERS_QUICK = 3;
const ROUND_TRIPS_MS = [0, 40];
/** A gigabit a second. */
const LINK_BYTES_PER_SECOND = 125_000_000;
const STORAGE_FIXED_MS = 250;
const STORAGE_ROUND_TRIPS = 6;
const SENT_MAX = 1.1;

interface Moved {
  readonly storageMs: number;
  readonly boundMs: number;
  readonly totalMs: number;
  readonly lastBytes: number;
  readonly sentBytes: number;
  readonly copiedBytes: number;
}

/** Running guests' pauses: what of them is storage, by the round trip to the cloud, and what a move sends. */
export async function benchLive(settings: Settings): Promise<Finding[]> {
  if (!hasQemu('live', settings.note)) return [];
  const findings: Finding[] = [];
  for (const cutover of ['ram', 'stop'] as const) {
    for (const roundTripMs of ROUND_TRIPS_MS) findings.push(...(await measure(settings, cutover, roundTripMs)));
  }
  return findings;
}

async function measure(settings: Settings, cutover: Cutover, roundTripMs: number): Promise<Finding[]> {
  const count = settings.isQuick ? CUTOVERS_QUICK : CUTOVERS;
  const folder = join(settings.folder, `${cutover}-${roundTripMs}`);
  const vms = Array.from({ length: count + 1 }, (_, nth) => `vm-${nth}`);
  const stage = new LiveStage(folder);
  const moved: Moved[] = [];
  try {
    const way = { roundTripMs, bytesPerSecond: LINK_BYTES_PER_SECOND };
    await stage.start(async (at) => {
      for (const [seed, vm] of vms.entries()) await makeGuest(vm, seed, at);
    }, way);
    for (const vm of vms) {
      const each = figuresOf(await stage.move(vm, cutover), roundTripMs);
      settings.note(`live ${cutover}, ${roundTripMs} ms, ${vm}: ${JSON.stringify(each)}`);
      // The first is for warming up.
      if (vm !== vms[0]) moved.push(each);
    }
  } finally {
    await stage.stop();
  }
  return [pauseFinding(cutover, roundTripMs, moved), sentFinding(cutover, roundTripMs, moved)];
}

function figuresOf({ blackout, layers, wire_bytes: sentBytes }: MovedVm, rttMs: number): Moved {
  const { storage_ms: storageMs, total_ms: totalMs, last_bytes: lastBytes } = blackout;
  const copiedBytes = layers.reduce((sum, { handled_bytes: bytes }) => sum + bytes, 0);
  const lastMs = (1000 * lastBytes) / LINK_BYTES_PER_SECOND;
  const boundMs = STORAGE_FIXED_MS + 2 * lastMs + STORAGE_ROUND_TRIPS * rttMs;
  return { storageMs, totalMs, lastBytes, sentBytes, copiedBytes, boundMs };
}

function pauseFinding(cutover: Cutover, roundTripMs: number, moved: readonly Moved[]): Finding {
  const storageMs = moved.map((each) => each.storageMs);
  const shares = moved.map((each) => each.storageMs / each.boundMs);
  const figures = {
    medianMs: median(storageMs),
    worstMs: Math.max(...storageMs),
    bestMs: Math.min(...storageMs),
    boundMs: median(moved.map((each) => each.boundMs)),
    totalMs: median(moved.map((each) => each.totalMs)),
    lastBytes: median(moved.map((each) => each.lastBytes)),
    cutovers: moved.length,
  };
  const { medianMs, bestMs, worstMs, boundMs, totalMs, lastBytes } = figures;
  return {
    bench: 'live',
    what: `cutover by ${cutover}, ${roundTripMs} ms to the cloud and back: storage’s share of the pause`,
    goal: `median ≤ ${STORAGE_FIXED_MS} ms + 2 × last bytes ÷ link + ${STORAGE_ROUND_TRIPS} × RTT (${Math.round(boundMs)} ms)`,
    found: `${Math.round(medianMs)} ms (${bestMs} … ${worstMs}; all of the pause ${Math.round(totalMs)} ms; last bytes ${Math.round(lastBytes / 1024)} KiB; ${moved.length} cutovers)`,
    isMet: median(shares) <= 1,
    figures,
  };
}

function sentFinding(cutover: Cutover, roundTripMs: number, moved: readonly Moved[]): Finding {
  const share = median(moved.map(({ sentBytes, copiedBytes }) => sentBytes / copiedBytes));
  const worst = Math.max(...moved.map(({ sentBytes, copiedBytes }) => sentBytes / copiedBytes));
  return {
    bench: 'live',
    what: `cutover by ${cutover}, ${roundTripMs} ms to the cloud and back: bytes sent`,
    goal: `≤ ${SENT_MAX} × what the layer held and what was written, in chunks`,
    found: `${share.toFixed(2)} × (${worst.toFixed(2)} at the worst)`,
    isMet: worst <= SENT_MAX,
    figures: { sentShare: share, sentShareMax: worst },
  };
}
