import { join } from 'node:path';
import type { Finding, Settings } from './finding.ts';
import { bootGuest, connectMonitor, hasQemu, killGuest, makeGuest, ownMonitorOf } from './live/guests.ts';
import { sum } from './live/histogram.ts';
import { latencyFinding, type Watched } from './live/latency-finding.ts';
import { LiveStage } from './live/stage.ts';
import { whileAlone, writesWhile } from './live/write-latency.ts';

const MiB = 1024 * 1024;
/** Slow, so that the pre-copy lasts. */
const WAY = { roundTripMs: 0, bytesPerSecond: 8 * MiB };
/** From where the guest's numbers are on: what it writes to has its place in the image, so that no write takes longer for that. */
const DATA = { dataAt: 4 * MiB, dataBytes: 32 * MiB };
const ALONE_MS = 4_000;
const PAIRS_QUICK = 1;
/** A guest that nobody moves, and that writes at each tick of its clock: what it feels is that others use the processors. */
const BESIDE = 'beside';
const FIRST = 'first';

const PACES = {
  tick: 'guest that writes 18 times a second',
  fast: 'guest that writes as fast as it can',
} as const;

/** How long a guest's writes take while its disk is copied before the cutover, against those of the same guest that nobody moves. */
export async function benchGuestLatency(settings: Settings): Promise<Finding[]> {
  if (!hasQemu('guest-latency', settings.note)) return [];
  const pairs = settings.isQuick ? PAIRS_QUICK : settings.pairs;
  const stage = new LiveStage(join(settings.folder, 'g'));
  const vms = (pace: string) => Array.from({ length: pairs }, (_, nth) => `${pace}-${nth}`);
  const boot = (vm: string) => bootGuest(vm, stage.images('a'), Number.POSITIVE_INFINITY);
  const findings: Finding[] = [];
  try {
    await stage.start(async (at) => {
      const names = [BESIDE, FIRST, ...vms('tick'), ...vms('fast')];
      for (const [seed, vm] of names.entries())
        await makeGuest(vm, seed, at, { isQuiet: vm.startsWith('fast'), ...DATA });
    }, WAY);
    const beside = await boot(BESIDE);
    try {
      const measure = async (vm: string) => {
        const guest = await boot(vm);
        try {
          return await watch(stage, vm);
        } finally {
          await killGuest(guest);
          await stage.clear(vm);
        }
      };
      // Not counted: what is run for the first time is compiled.
      await measure(FIRST);
      for (const [pace, what] of Object.entries(PACES)) {
        const watched: Watched[] = [];
        for (const vm of vms(pace)) watched.push(await measure(vm));
        const finding = latencyFinding(what, watched);
        settings.note(`guest-latency ${pace}: ${finding.found}`);
        findings.push(finding);
      }
    } finally {
      await killGuest(beside);
    }
  } finally {
    await stage.stop();
  }
  return findings;
}

/** A B A: alone at the source, then until the move stops it, then alone at the destination: about as long alone as while it was copied. */
async function watch(stage: LiveStage, vm: string): Promise<Watched> {
  const beside = await connectMonitor(ownMonitorOf(BESIDE, stage.images('a')));
  const source = await connectMonitor(ownMonitorOf(vm, stage.images('a')));
  try {
    const before = await whileAlone([source, beside], ALONE_MS);
    const beganMs = performance.now();
    const stopped = source.waitFor('STOP', () => true, new AbortController().signal);
    let over: Promise<unknown> = Promise.resolve();
    const moving = await writesWhile([source, beside], async () => {
      over = stage.migrate(vm, 'ram');
      for (const each of [stopped, over]) each.catch(() => undefined);
      // A move that fails stops nobody.
      await Promise.race([stopped, over]);
    });
    const movingMs = performance.now() - beganMs;
    await over;
    const destination = await connectMonitor(ownMonitorOf(vm, stage.images('b')));
    const after = await whileAlone([destination, beside], Math.max(ALONE_MS, movingMs - ALONE_MS));
    destination.close();
    const alone = before.map((each, at) => sum([each, after[at]!]));
    return { alone: alone[0]!, moving: moving[0]!, besideAlone: alone[1]!, besideMoving: moving[1]!, movingMs };
  } finally {
    for (const qmp of [beside, source]) qmp.close();
  }
}
