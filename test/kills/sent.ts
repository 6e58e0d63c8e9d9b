import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { limits } from '../../core/limits.ts';
import type { Kill } from './points.ts';
import type { World } from './world.ts';

/** Frames and footers around chunks that do not compress. */
const OVERHEAD = 1.03;
/** Being uploaded when a kill comes, and one that was cut off halfway. */
const IN_FLIGHT = limits.uploads_in_flight + 1;

/** Bytes of packs that were sent, those that did not arrive included. */
export function packBytesSent({ front }: World): number {
  const packs = [...front.putBytes].filter(([key]) => key.includes('/packs/'));
  return packs.reduce((sum, [, bytes]) => sum + bytes, 0);
}

/**
 * The most that may be sent: every layer once, and again the packs that were in flight whenever the source or the cloud
 * was killed; where only an answer or request was lost, the one pack that it may have been of.
 */
export async function packBytesMost(world: World, kills: readonly Kill[]): Promise<number> {
  const names = (await readdir(world.imagesOf('a'))).filter((name) => name.endsWith('.qcow2'));
  const layers = await Promise.all(names.map(async (name) => (await stat(path.join(world.imagesOf('a'), name))).size));
  const packBytes = Math.min(limits.pack_raw_bytes_max, Math.max(...layers));
  const again = kills.map((kill) => packsAgain(kill)).reduce((sum, packs) => sum + packs, 0);
  return (layers.reduce((sum, bytes) => sum + bytes, 0) + again * packBytes) * OVERHEAD;
}

function packsAgain({ point, victims }: Kill): number {
  if (victims.includes('a') || victims.includes('cloud')) return IN_FLIGHT;
  return point.at === 'request' && point.verdict !== 'pass' ? 1 : 0;
}
