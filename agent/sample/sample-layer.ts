import type { Zstd } from '../../adapters/system/zstd.ts';
import { geometryOf } from '../../core/chunk.ts';
import { restingLevel } from '../../core/compression.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { sealFrame } from '../pack/frame-codec.ts';
import { freeBuffer, largeBuffer } from '../pack/memory.ts';
import type { ChunkPool } from '../scan/pool.ts';
import { readChunks } from '../scan/read.ts';
import { touchedRuns } from '../scan/runs.ts';
import { type Hooks, mayBeHook } from './hooks.ts';
import { runsIn, windowsIn } from './windows.ts';

export interface SampleJob {
  readonly layer: DiskLayer;
  readonly chunkBytes: number;
  readonly pool: ChunkPool;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What the link is thought to take, in bytes a second. */
  readonly up: number;
  /** How many times as long as here it takes while something is sent. */
  readonly load: number;
  /** The threaded one unless set. */
  readonly zstd?: Zstd | undefined;
}

/** What a look at some of a layer has shown. Bytes and milliseconds. */
export interface Sampled {
  readonly hooks: Hooks;
  /** Raw bytes of its data chunks, extrapolated unless all of it was read. */
  readonly dataBytes: number;
  readonly rawBytes: number;
  readonly readMs: number;
  readonly tried: Tried;
}

/** How some of a layer compresses, at one of zstd's levels. Bytes and milliseconds. */
export interface Tried {
  readonly level: number;
  readonly rawBytes: number;
  readonly compressedBytes: number;
  readonly compressMs: number;
  /** What the lowest level takes. */
  readonly lowestMs: number;
}

/**
 * Reads pieces that lie evenly in what a layer holds, `limits.survey_sample_bytes_max` at the most, fingerprints them and
 * compresses them in frames as a push does: at the lowest level, then some of them at the one that a push over this link would come to.
 * Errors: those of reading, the signal's reason.
 */
export async function sampleLayer(job: SampleJob): Promise<Sampled> {
  const { layer, chunkBytes, clock } = job;
  const geometry = geometryOf(layer.virtualBytes, chunkBytes);
  const runs = () => touchedRuns(layer.extents(0, geometry.virtualBytes), geometry);
  let chunks = 0;
  for await (const run of runs()) if (run.kind === 'read') chunks += run.count;
  const most = Math.max(1, Math.floor(limits.survey_sample_bytes_max / chunkBytes));
  const windows = windowsIn(chunks, { piece: Math.max(1, Math.floor(limits.survey_piece_bytes / chunkBytes)), most });
  const seen = windows.reduce((sum, { from, to }) => sum + to - from, 0);
  const buffer = largeBuffer(most * chunkBytes);
  try {
    const beganMs = clock.nowMs();
    const fingerprints: Uint8Array[] = [];
    let rawBytes = 0;
    for await (const batch of readChunks({ ...job, geometry }, runsIn(runs(), windows), job.signal)) {
      for (const { fingerprint, bytes } of batch.dataChunks()) {
        if (mayBeHook(fingerprint)) fingerprints.push(Buffer.from(fingerprint));
        buffer.set(bytes, rawBytes);
        rawBytes += bytes.length;
      }
    }
    const readMs = clock.nowMs() - beganMs;
    const raw = buffer.subarray(0, rawBytes);
    const lowest = await tryLevel(framesOf(raw, limits.frame_raw_bytes_max), limits.pack_level_default, job);
    const sendMs = (1000 * lowest.compressedBytes) / job.up;
    const level = restingLevel({ readMs: readMs * job.load, compressMs: lowest.compressMs * job.load, sendMs });
    const atRest = level === lowest.level ? lowest : await tryHigher(raw, level, lowest, job);
    const tried = { ...atRest, lowestMs: lowest.compressMs };
    const scale = chunks / Math.max(1, seen);
    const hooks = { fingerprints, all: Math.round(fingerprints.length * scale) };
    return { hooks, dataBytes: Math.round(rawBytes * scale), rawBytes, readMs, tried };
  } finally {
    freeBuffer(buffer);
  }
}

/** `raw` in frames as large as a pack's, and the first `most` bytes of each. */
function framesOf(raw: Uint8Array, most: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < raw.length; at += limits.frame_raw_bytes_max)
    frames.push(raw.subarray(at, at + Math.min(most, limits.frame_raw_bytes_max)));
  return frames;
}

/** What a level adds to the lowest one, found out on the first part of each frame: it costs several times as much. */
async function tryHigher(raw: Uint8Array, level: number, lowest: Tried, job: SampleJob): Promise<Tried> {
  const parts = framesOf(raw, limits.survey_level_bytes);
  const before = await tryLevel(parts, lowest.level, job);
  const after = await tryLevel(parts, level, job);
  const times = (a: number, b: number) => (b > 0 ? a / b : 1);
  return {
    ...lowest,
    level,
    compressedBytes: Math.round(lowest.compressedBytes * times(after.compressedBytes, before.compressedBytes)),
    compressMs: Math.round(lowest.compressMs * times(after.compressMs, before.compressMs)),
  };
}

/** All frames at once, as a push compresses them beside each other. */
async function tryLevel(frames: readonly Uint8Array[], level: number, { clock, zstd }: SampleJob): Promise<Tried> {
  const beganMs = clock.nowMs();
  const sealing = frames.map((raw) => frameLength(raw, level, zstd));
  // Also if one fails: the others read their bytes until they end.
  const lengths = await Promise.all(sealing).finally(() => Promise.allSettled(sealing));
  const compressMs = clock.nowMs() - beganMs;
  return {
    level,
    rawBytes: sum(frames.map(({ length }) => length)),
    compressedBytes: sum(lengths),
    compressMs,
    lowestMs: compressMs,
  };
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((all, length) => all + length, 0);
}

async function frameLength(raw: Uint8Array, level: number, zstd: Zstd | undefined): Promise<number> {
  const { head, payload } = await sealFrame(raw, level, zstd);
  const length = head.length + payload.length;
  if (payload.buffer !== raw.buffer) freeBuffer(payload);
  return length;
}
