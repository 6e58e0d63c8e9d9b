import { disksOf } from './disks.ts';
import { OURS } from './ours.ts';
import type { ExecuteOptions, Qmp } from './qmp.ts';

export interface BitmapOf {
  readonly node: string;
  readonly name: string;
}

/** Begins to note what is written, on all of these disks at one moment or on none. */
export async function addBitmaps(
  qmp: Qmp,
  bitmaps: readonly BitmapOf[],
  granularity: number,
  options: ExecuteOptions = {},
): Promise<void> {
  await qmp.execute('transaction', { actions: bitmaps.map((each) => add(each, granularity)) }, options);
}

/** From one moment on, for all of these disks or for none, what is written is noted in `next` and not in `current` any more. */
export async function swapBitmaps(
  qmp: Qmp,
  swaps: readonly { node: string; current: string; next: string }[],
  granularity: number,
  options: ExecuteOptions = {},
): Promise<void> {
  const actions = swaps.flatMap(({ node, current, next }) => [
    add({ node, name: next }, granularity),
    { type: 'block-dirty-bitmap-disable', data: { node, name: current } },
  ]);
  await qmp.execute('transaction', { actions }, options);
}

/** Notes in `into` what `from` has as well; `from` goes. */
export async function mergeBitmap(
  qmp: Qmp,
  { node, from, into }: { node: string; from: string; into: string },
  options: ExecuteOptions = {},
): Promise<void> {
  await qmp.execute('block-dirty-bitmap-merge', { node, target: into, bitmaps: [from] }, options);
  await removeBitmap(qmp, { node, name: from }, options);
}

export async function removeBitmap(qmp: Qmp, bitmap: BitmapOf, options: ExecuteOptions = {}): Promise<void> {
  await qmp.execute('block-dirty-bitmap-remove', { ...bitmap }, options);
}

/** Removes the bitmaps that bear our name, from every disk. Whatever exports them must be gone. */
export async function removeOurBitmaps(qmp: Qmp, signal: AbortSignal): Promise<void> {
  for (const { node, bitmaps } of await disksOf(qmp, signal)) {
    for (const { name } of bitmaps.filter((each) => each.name.startsWith(OURS))) {
      await removeBitmap(qmp, { node, name }, { signal });
    }
  }
}

function add({ node, name }: BitmapOf, granularity: number) {
  return { type: 'block-dirty-bitmap-add', data: { node, name, granularity } };
}
