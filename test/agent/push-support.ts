import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { DiskWriter } from '../../agent/disk/writer.ts';
import type { PullSource } from '../../agent/pull/port.ts';
import type { ObjectKind, PushRound, PushSink } from '../../agent/push/port.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { isNone, sha256, toHex } from '../../core/fingerprint.ts';
import type { Answer, BatchAnswer } from '../../core/format/batch.ts';
import { decodeFooter, decodeTrailer, TRAILER_BYTES } from '../../core/format/footer.ts';
import { decodePlacement, type FramePlace, type PackScope } from '../../core/format/placement.ts';
import { decodeRoot, segmentIdAt } from '../../core/format/root.ts';
import { DATA, decodeSegment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

/** Bounds under which a few megabytes make several segments, frames and packs of two frames. */
export function shrinkLimits(frameBytes: number): void {
  Object.assign(limits, {
    frame_raw_bytes_max: frameBytes,
    pack_raw_bytes_max: 2 * frameBytes,
    pack_segments_max: 4,
    segment_chunks: 128,
    segments_cached: 2,
  });
}

/** A clock on which every sleep is over at once, and time passes by sleeping only. */
export function sleepClock(): Clock & { slept: number[] } {
  let now = 1_000_000;
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => now,
    async sleep(ms, signal) {
      await setImmediate();
      signal?.throwIfAborted();
      slept.push(ms);
      now += ms;
    },
  };
}

/** Objects, an index and one stream's rounds in memory. It refuses whatever comes before that which it names. */
export class MemoryStore implements PushSink, PullSource {
  readonly objects = new Map<string, Buffer>();
  readonly index = new Map<string, { frame: FramePlace; rawOffset: number }>();
  readonly rounds: PushRound[] = [];
  readonly released: string[] = [];
  readonly batches: string[] = [];
  readonly scope: PackScope;
  /** Most packs that were being put at the same time. */
  packsAtOnce = 0;
  readBytes = 0;
  #putting = 0;
  readonly #isOrdered: boolean;

  /** `unordered`: what the last round of a running VM names comes in any order, but packs before placements. */
  constructor(scope: PackScope, order: 'ordered' | 'unordered' = 'ordered') {
    this.scope = scope;
    this.#isOrdered = order === 'ordered';
  }

  /** What the index tells of a fingerprint; tests replace it. */
  tell(fingerprint: string, _batch: string): Answer['status'] {
    return this.index.has(fingerprint) ? 'have' : 'missing';
  }

  async check(fingerprints: Uint8Array): Promise<BatchAnswer> {
    assert.equal(this.scope, 'namespace', 'direct pushes ask nothing');
    assert.ok(fingerprints.length > 0 && fingerprints.length <= 32 * limits.batch_fingerprints_max);
    const batch = toHex(sha256(fingerprints));
    this.batches.push(batch);
    await setImmediate();
    const frames: FramePlace[] = [];
    const answers = Array.from({ length: fingerprints.length / 32 }, (_, at): Answer => {
      const fingerprint = toHex(fingerprints.subarray(32 * at, 32 * at + 32));
      const status = this.tell(fingerprint, batch);
      if (status !== 'have') return { status };
      const { frame, rawOffset } = this.index.get(fingerprint)!;
      return { status, frame: frames.push(frame) - 1, rawOffset };
    });
    return { answers, frames, claimedUntilMs: 1_000_000 + limits.claim_ms };
  }

  async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    const bytes = Buffer.concat(parts);
    this[kind](id, bytes);
    if (kind === 'packs') this.packsAtOnce = Math.max(this.packsAtOnce, ++this.#putting);
    await setImmediate();
    if (kind === 'packs') this.#putting--;
    const present = this.objects.has(`${kind}/${id}`);
    if (!present) this.objects.set(`${kind}/${id}`, bytes);
    return present ? 'present' : 'written';
  }

  packs(id: string, bytes: Buffer): void {
    assert.equal(toHex(sha256(footerOf(bytes))), id, 'a pack is named by its footer');
  }

  placements(_id: string, bytes: Buffer): void {
    const indexed = new Set([...this.index.values()].map(({ frame }) => toHex(frame.pack)));
    for (const { pack } of decodePlacement(bytes).frames) {
      assert.ok(this.objects.has(`packs/${toHex(pack)}`), 'packs come before placements');
      if (this.scope === 'namespace') assert.ok(indexed.has(toHex(pack)), 'rows come before placements');
    }
  }

  segments(id: string, bytes: Buffer): void {
    assert.equal(toHex(sha256(bytes)), id);
    if (this.#isOrdered) this.#placed(id, bytes, 'placements come before segments');
  }

  #placed(id: string, bytes: Buffer, message: string): void {
    const placement = this.objects.get(`placements/${id}`);
    assert.equal(placement !== undefined, decodeSegment(bytes).count(DATA) > 0, message);
  }

  layers(id: string, bytes: Buffer): void {
    assert.equal(toHex(sha256(bytes)), id);
    if (this.#isOrdered) this.#complete(bytes);
  }

  #complete(bytes: Buffer): void {
    const root = decodeRoot(bytes);
    for (let at = 0; at < root.geometry.segments; at++) {
      const segment = segmentIdAt(root, at);
      assert.ok(isNone(segment) || this.objects.has(`segments/${toHex(segment)}`), 'segments come before the root');
    }
  }

  async announce(packs: readonly string[], release?: string): Promise<void> {
    assert.equal(this.scope, 'namespace', 'direct pushes leave no rows');
    await setImmediate();
    for (const id of packs) this.addRows(id);
    if (release !== undefined) this.released.push(release);
  }

  addRows(id: string): void {
    const bytes = this.objects.get(`packs/${id}`);
    assert.ok(bytes !== undefined, 'packs come before their rows');
    const { frames, chunks } = decodeFooter(footerOf(bytes));
    let chunk = 0;
    for (const { offset, frameBytes, rawBytes, chunks: count } of frames) {
      const frame = { scope: this.scope, pack: Buffer.from(id, 'hex'), offset, frameBytes, rawBytes };
      let rawOffset = 0;
      for (const { fingerprint, length } of chunks.slice(chunk, chunk + count)) {
        this.index.set(toHex(fingerprint), { frame, rawOffset });
        rawOffset += length;
      }
      chunk += count;
    }
  }

  async commit(round: PushRound): Promise<void> {
    assert.equal(round.sequence, this.rounds.length, 'rounds come in order');
    assert.ok(round.segments.length <= limits.segments_per_round_commit_max);
    for (const { id } of round.segments) {
      const bytes = this.objects.get(`segments/${id}`);
      assert.ok(bytes !== undefined, 'segments come before rounds');
      this.#placed(id, bytes, 'placements come before rounds');
    }
    if (round.layerId !== undefined) {
      const root = this.objects.get(`layers/${round.layerId}`);
      assert.ok(root !== undefined, 'root before last round');
      this.#complete(root);
    }
    await setImmediate();
    this.rounds.push(round);
  }

  root(layerId: string): Promise<Uint8Array> {
    return this.get(`layers/${layerId}`);
  }

  segment(id: string): Promise<Uint8Array> {
    return this.get(`segments/${id}`);
  }

  placement(segmentId: string): Promise<Uint8Array> {
    return this.get(`placements/${segmentId}`);
  }

  async range(scope: PackScope, pack: string, offset: number, length: number): Promise<Uint8Array> {
    assert.equal(scope, this.scope);
    const bytes = await this.get(`packs/${pack}`);
    if (offset + length > bytes.length) throw new LayerMoverError('OBJECT_RANGE', 'past the end');
    this.readBytes += length;
    return Buffer.from(bytes.subarray(offset, offset + length));
  }

  async get(key: string): Promise<Uint8Array> {
    await setImmediate();
    const bytes = this.objects.get(key);
    if (bytes === undefined) throw new LayerMoverError('OBJECT_MISSING', `there is no ${key}`);
    return bytes;
  }
}

function footerOf(pack: Buffer): Buffer {
  const length = decodeTrailer(pack.subarray(-TRAILER_BYTES));
  return pack.subarray(pack.length - TRAILER_BYTES - length, -TRAILER_BYTES);
}

export async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** What nobody wrote. */
export const UNTOUCHED = 0xaa;

/** A disk in memory. */
export class MemoryDisk implements DiskWriter {
  readonly bytes: Buffer;
  writes = 0;

  constructor(virtualBytes: number) {
    this.bytes = Buffer.alloc(virtualBytes, UNTOUCHED);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    assert.ok(offset >= 0 && offset + bytes.length <= this.bytes.length);
    const copy = Buffer.from(bytes);
    await setImmediate();
    this.bytes.set(copy, offset);
    this.writes++;
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    assert.ok(length > 0 && offset >= 0 && offset + length <= this.bytes.length);
    await setImmediate();
    this.bytes.fill(0, offset, offset + length);
    this.writes++;
  }

  async checkpoint(): Promise<void> {}
  async finish(): Promise<void> {}
  async discard(): Promise<void> {}
}

/** What a disk must hold after a layer's chunks came to it: absent ones are as nobody wrote them. */
export function expectedDisk(
  chunks: readonly (Buffer | undefined)[],
  chunkBytes: number,
  virtualBytes: number,
): Buffer {
  const bytes = Buffer.alloc(virtualBytes, UNTOUCHED);
  for (const [at, chunk] of chunks.entries()) chunk?.copy(bytes, at * chunkBytes);
  return bytes;
}
