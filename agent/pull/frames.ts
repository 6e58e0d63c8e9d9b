import { openFrame } from '../../adapters/system/open-frame.ts';
import type { Zstd } from '../../adapters/system/zstd.ts';
import { MEND_HINT } from '../../core/damage.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import type { DiskWriter } from '../disk/writer.ts';
import { freeBuffer } from '../pack/memory.ts';
import { fetchNamed } from './absent.ts';
import type { WantedChunk, WantedFrame } from './plan.ts';
import type { PackRange } from './ranges.ts';
import { isDamage, type WatchedSource } from './watched-source.ts';

interface Target {
  /** The layer's name. */
  readonly name: string;
  readonly chunkBytes: number;
  readonly source: WatchedSource;
  readonly writer: DiskWriter;
  readonly zstd: Zstd | undefined;
  readonly signal: AbortSignal;
}

/**
 * Fetches a range, opens its frames and writes what is wanted of them; gives the raw bytes written. A chunk is
 * written only after its SHA-256 was found to be its fingerprint. A damaged frame is fetched once more. `unpack` does what
 * comes after the fetch.
 * Errors: FRAME_CORRUPT, CHUNK_CORRUPT, those of the source and the writer.
 */
export async function writeRange(
  target: Target,
  range: PackRange,
  unpack = (work: () => Promise<number>) => work(),
): Promise<number> {
  const { scope, pack, offset, length } = range;
  const bytes = await fetchRange(target, range.frames[0]!, () => target.source.range(scope, pack, offset, length));
  const written = await unpack(() => writeFrames(target, range, bytes));
  freeBuffer(bytes);
  return written;
}

async function writeFrames(target: Target, range: PackRange, bytes: Uint8Array): Promise<number> {
  let written = 0;
  for (const frame of range.frames) {
    const at = frame.place.offset - range.offset;
    const { raw, isOwn } = await openWanted(target, frame, bytes.subarray(at, at + frame.place.frameBytes));
    for (const run of runsOf(frame.chunks, target.chunkBytes)) {
      target.signal.throwIfAborted();
      await target.writer.write(run.chunk * target.chunkBytes, raw.subarray(run.rawOffset, run.rawOffset + run.length));
      written += run.length;
    }
    if (isOwn) freeBuffer(raw);
  }
  return written;
}

/** A pack that is gone is told of by layer and chunk. */
function fetchRange({ name: layer }: Target, { chunks }: WantedFrame, fetch: () => Promise<Uint8Array>) {
  return fetchNamed({ what: 'pack', layer, chunk: chunks[0]!.chunk }, fetch);
}

interface RawFrame {
  readonly raw: Uint8Array;
  /** True if the bytes are ours, not a part of what was fetched. */
  readonly isOwn: boolean;
}

async function openWanted(target: Target, frame: WantedFrame, bytes: Uint8Array): Promise<RawFrame> {
  try {
    return await openChecked(target, frame, bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const { scope, pack, offset, frameBytes } = frame.place;
    const again = () => target.source.range(scope, toHex(pack), offset, frameBytes);
    return openChecked(target, frame, await fetchRange(target, frame, again));
  }
}

async function openChecked(target: Target, { place, chunks }: WantedFrame, bytes: Uint8Array): Promise<RawFrame> {
  const layer = target.name;
  const raw = await openNamed(target, chunks[0]!.chunk, bytes);
  for (const { chunk, rawOffset, length, fingerprint } of chunks) {
    if (sameDigest(sha256(raw.subarray(rawOffset, rawOffset + length)), fingerprint)) continue;
    throw new LayerMoverError('CHUNK_CORRUPT', `chunk ${chunk} of layer ${layer} differs from its fingerprint`, {
      hint: `what the object store holds is not what the source sent; ${MEND_HINT}`,
      data: { layer, chunk, pack: toHex(place.pack), offset: place.offset },
    });
  }
  return { raw, isOwn: raw.buffer !== bytes.buffer };
}

/** Opens a frame; an error says of which layer and at which chunk. */
async function openNamed({ name: layer, zstd }: Target, chunk: number, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await openFrame(bytes, zstd);
  } catch (cause) {
    if (!hasCode(cause, 'FRAME_CORRUPT', 'FORMAT_REFUSED')) throw cause;
    throw new LayerMoverError('FRAME_CORRUPT', `a frame of layer ${layer} with chunk ${chunk} is damaged`, {
      hint: `the object store or the way to it changed bytes; ${MEND_HINT}`,
      data: { layer, chunk },
      cause,
    });
  }
}

/** Chunks that follow each other on the disk and in the frame are written at once. */
function runsOf(chunks: readonly WantedChunk[], chunkBytes: number) {
  const runs: { chunk: number; count: number; rawOffset: number; length: number }[] = [];
  for (const { chunk, rawOffset, length } of chunks) {
    const last = runs.at(-1);
    const follows =
      last !== undefined && last.chunk + last.count === chunk && last.rawOffset + last.length === rawOffset;
    if (follows && last.length === last.count * chunkBytes) {
      last.count++;
      last.length += length;
    } else {
      runs.push({ chunk, count: 1, rawOffset, length });
    }
  }
  return runs;
}
