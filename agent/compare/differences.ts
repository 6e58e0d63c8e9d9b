import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { DATA, ZERO } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { inOrder } from '../flow/in-order.ts';
import type { Span } from '../scan/job.ts';
import type { ChunkPool, ReadChunks } from '../scan/pool.ts';
import { type Compared, type CompareRequest, compareRequests } from './requests.ts';

/** A chunk in which two disks differ. */
export interface Difference {
  /** Guest bytes. */
  readonly offset: number;
  readonly length: number;
  /** What the first disk has there; undefined for zeros. Valid until the next one is asked for. */
  readonly bytes: Uint8Array | undefined;
}

export interface Comparison extends Compared {
  readonly pool: ChunkPool;
  readonly signal: AbortSignal;
  /** Called with the guest bytes that are compared, and with the bytes that were read of the first disk for it. */
  readonly progress?: ((comparedBytes: number, readBytes: number) => void) | undefined;
}

/**
 * The chunks in which two disks differ as their guests see them, ascending. Both are fingerprinted in the pool's threads,
 * a few buffers ahead of the caller. When this has ended, however it did, no thread reads from them.
 * Errors: those of reading, the signal's reason.
 */
export async function* differences(comparison: Comparison): AsyncGenerator<Difference> {
  const { pool, signal, chunkBytes, virtualBytes } = comparison;
  const read = async (request: CompareRequest) => {
    signal.throwIfAborted();
    return { request, read: await readBoth(request, comparison) };
  };
  let readBytes = 0;
  const requests = compareRequests(comparison, pool.bufferBytes);
  for await (const pair of inOrder(requests, limits.compare_pairs_in_flight, read, (unused) => release(unused.read))) {
    try {
      signal.throwIfAborted();
      for (const { chunk, at, bytes } of differing(pair.request, pair.read, chunkBytes)) {
        const offset = chunk * chunkBytes;
        const length = Math.min(chunkBytes, virtualBytes - offset);
        yield { offset, length, bytes: bytes?.subarray(at, at + length) };
      }
      readBytes += pair.request.spans[0].reduce((sum, span) => sum + span.length, 0);
      comparison.progress?.(pair.request.end, readBytes);
    } finally {
      release(pair.read);
    }
  }
}

/** The chunks that differ, where they are in the first side's buffer, and that buffer if they are no zeros there. */
function* differing({ suspects }: CompareRequest, [one, other]: Both, chunkBytes: number) {
  let [mine, theirs] = [0, 0];
  for (const { chunk, count, held } of suspects) {
    for (let i = 0; i < count; i++) {
      const [a, b] = [held[0] ? one : undefined, held[1] ? other : undefined];
      if (!alike(a, mine, b, theirs))
        yield { chunk: chunk + i, at: mine * chunkBytes, bytes: a?.states[mine] === DATA ? a.bytes : undefined };
      if (held[0]) mine++;
      if (held[1]) theirs++;
    }
  }
}

type Both = readonly [one: ReadChunks | undefined, other: ReadChunks | undefined];

/** Reads both sides at the same time; if one fails nothing of the other is kept. */
async function readBoth({ spans }: CompareRequest, { pool, chunkBytes, signal }: Comparison): Promise<Both> {
  const read = async (wanted: readonly Span[]) =>
    wanted.length === 0 ? undefined : await pool.read(wanted, chunkBytes, signal);
  const [one, other] = await Promise.allSettled(spans.map(read));
  if (one!.status === 'fulfilled' && other!.status === 'fulfilled') return [one!.value, other!.value];
  for (const end of [one!, other!]) if (end.status === 'fulfilled') end.value?.release();
  throw [one!, other!].find((end) => end.status === 'rejected')!.reason;
}

function release(both: Both): void {
  for (const read of both) read?.release();
}

/** Whether the chunks in two slots are the same; what was not read is zeros. */
function alike(a: ReadChunks | undefined, slot: number, b: ReadChunks | undefined, other: number): boolean {
  const [mine, theirs] = [a?.states[slot] ?? ZERO, b?.states[other] ?? ZERO];
  if (mine !== theirs || mine === ZERO) return mine === theirs;
  return Buffer.compare(digestAt(a!, slot), digestAt(b!, other)) === 0;
}

function digestAt({ fingerprints }: ReadChunks, slot: number): Uint8Array {
  return fingerprints.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES);
}
