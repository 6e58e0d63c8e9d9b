import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RunningVms } from '../../../agent/images/running-vms.ts';
import { chanceOf } from '../chance.ts';
import { hashesOf } from '../hashes.ts';
import type { Played } from '../play.ts';
import { packBytesSent } from '../sent.ts';
import { World } from '../world.ts';
import { makeGuestDisks } from './disks.ts';
import { Guests, type Loop, nodeOf } from './guests.ts';
import { judgeLive } from './judge.ts';
import { Lookout } from './lookout.ts';
import { drawHang, drawLiveStrike, type LiveStrike } from './points.ts';
import { LiveStage } from './stage.ts';

/** What a run of the live harness does. All of it follows from the seed. */
export interface LivePlay {
  readonly seed: number;
  readonly vms: readonly string[];
  readonly cutover: 'ram' | 'stop';
  readonly chunkBytes: number;
  /** Of each guest's disks. One in an iothread is mirrored. */
  readonly loops: readonly Loop[];
  readonly kills: readonly LiveStrike[];
}

const BOOT_MS = 60_000;

/** `at`: a pattern of requests; all strikes are at the first few of them. */
export function drawLivePlay(seed: number, at?: string): LivePlay {
  const chance = chanceOf(seed);
  const vms = chance.next() < 0.25 ? ['web-1', 'web-2'] : ['web-1'];
  const cutover = chance.next() < 0.7 ? 'ram' : 'stop';
  const chunkBytes = chance.pick([16_384, 65_536, 65_536]);
  const moments = at === undefined ? undefined : ([[at, 2]] as const);
  const kills = Array.from({ length: chance.pick([1, 1, 2, 2, 3]) }, () => drawLiveStrike(chance, vms, moments));
  // Drawn last: what else a seed means stays as it was.
  const first: Loop = chance.next() < 0.4 ? 'iothread' : 'main';
  const second = chance.next() < 0.5 ? [chance.pick<Loop>(['main', 'iothread'])] : [];
  return { seed, vms, cutover, chunkBytes, kills, loops: [first, ...second] };
}

/** The same guests, but that the destination's agent hangs. */
export function drawHungPlay(seed: number): LivePlay {
  const drawn = drawLivePlay(seed);
  return { ...drawn, kills: [drawHang(chanceOf(seed ^ 0x4a46), drawn.vms)] };
}

/** Plays one run in a folder of its own; the folder stays if `keep` or something was wrong. */
export async function playLive(play: LivePlay, keep = false): Promise<Played> {
  const { seed, vms, cutover, chunkBytes, kills, loops } = play;
  const beganMs = performance.now();
  const world = await World.open();
  const guests = new Guests(world.folder, loops);
  const lookout = new Lookout(guests, vms, (line) => world.note(line));
  const stage = new LiveStage(world, guests);
  let problems: string[] = ['it was not played to its end'];
  try {
    await prepareLive(world, guests, { vms, loops, seed });
    const before = await hashesOf(world.imagesOf('a'));
    const route = ['--to', 'b/h2', '--from', 'a/h1', '--chunk', String(chunkBytes), '--live', '--cutover', cutover];
    await stage.migrate(kills, ['migrate', ...vms, ...route, '--request-id', `kills-live-${seed}`]);
    const judged = await judgeLive({ world, guests, vms, before, hurt: stage.hurt });
    problems = [...stage.problems, ...lookout.problems, ...judged];
  } catch (error) {
    problems = [...stage.problems, ...lookout.problems, String((error as Error).stack)];
  }
  await lookout.end();
  for (const vm of vms) for (const site of ['a', 'b'] as const) await guests.kill(site, vm);
  const sentBytes = packBytesSent(world);
  await world.close(keep || problems.length > 0);
  return { problems, struck: stage.struck, milliseconds: performance.now() - beganMs, sentBytes, folder: world.folder };
}

/** Guests that run and acknowledge, and agents that know them. */
export async function prepareLive(
  world: World,
  guests: Guests,
  { vms, loops, seed }: Pick<LivePlay, 'vms' | 'loops' | 'seed'>,
): Promise<void> {
  const images = world.imagesOf('a');
  await makeGuestDisks(images, { vms, disks: loops.length }, chanceOf(seed ^ 0x5eed));
  await mkdir(path.join(images, '.layermover'));
  const known = new RunningVms(path.join(images, '.layermover', 'running'), images);
  for (const name of vms) {
    await guests.start('a', name);
    const disks = guests.tops('a', name).map((top, at) => ({ node: nodeOf(at), top }));
    await known.put({ name, qmp: guests.qmpOf(name), disks });
  }
  const launcher = path.join(world.folder, 'launcher.json');
  await writeFile(launcher, JSON.stringify(guests.launcher()));
  const arrives = ['--launcher', launcher, '--migration-address', 'unix'];
  await Promise.all([world.agent('a').start(), world.agent('b', { words: arrives }).start()]);
  await world.enrolled();
  for (const vm of vms) if (!(await guests.goesOn(vm, BOOT_MS))) throw new Error(`${vm} does not boot`);
}
