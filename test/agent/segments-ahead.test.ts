import { expect, it } from 'vitest';
import type { KnownSegment } from '../../agent/push/round-book.ts';
import { SegmentsAhead } from '../../agent/push/segments-ahead.ts';
import type { ChunkRun } from '../../agent/scan/runs.ts';
import { limits } from '../../core/limits.ts';
import { coded } from './support.ts';

const SEGMENT = limits.segment_chunks;
const known = {} as KnownSegment;

async function* runs(...all: [chunk: number, count: number][]): AsyncGenerator<ChunkRun> {
  for (const [chunk, count] of all) yield { chunk, count, kind: 'read' };
}

function book(load: (index: number) => Promise<KnownSegment | undefined>) {
  const loads: number[] = [];
  const ahead = new SegmentsAhead({
    load(index) {
      loads.push(index);
      return load(index);
    },
  });
  return { loads, ahead };
}

async function read(ahead: SegmentsAhead, ...all: [number, number][]): Promise<void> {
  for await (const _ of ahead.of(runs(...all)));
}

it('a segment is looked up once, as soon as a run of it is known', async () => {
  const { loads, ahead } = book(async () => known);
  await read(ahead, [3, 1], [9, 2], [2 * SEGMENT, 1]);
  expect(loads).toEqual([0, 2]);
  expect(await ahead.load(0)).toBe(known);
  expect(await ahead.load(2)).toBe(known);
  expect(loads).toEqual([0, 2]);
});

it('a segment that a run reaches into is looked up when it is wanted', async () => {
  const { loads, ahead } = book(async () => undefined);
  await read(ahead, [SEGMENT - 1, SEGMENT + 2], [2 * SEGMENT + 7, 1]);
  expect(loads).toEqual([0]);
  for (const index of [0, 1, 2]) await ahead.load(index);
  expect(loads).toEqual([0, 1, 2]);
});

it('one that can’t be looked up fails whoever wants it, and nobody else', async () => {
  const { ahead } = book(() => Promise.reject(coded('STATE_CORRUPT')));
  await read(ahead, [0, 1]);
  await new Promise((resolve) => setImmediate(resolve));
  await expect(ahead.load(0)).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
});
