import { chunkLength, type Geometry, geometryOf } from '../../core/chunk.ts';
import { DIGEST_BYTES, sameDigest } from '../../core/fingerprint.ts';
import { DATA } from '../../core/format/segment.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { soughtOf } from '../manifests/sorted.ts';
import type { ManifestStore } from '../manifests/store.ts';
import { chunksIn, type Span } from '../scan/job.ts';
import type { ChunkPool } from '../scan/pool.ts';
import type { WantedChunk, WantedFrame } from './plan.ts';

/** A base layer of the host, which is opened when something of it is to be read. */
export interface OwnLayer {
  /** Hex. */
  readonly layerId: string;
  readonly virtualBytes: number;
  open(): Promise<DiskLayer>;
}

export interface OwnChunksOptions {
  readonly layers: readonly OwnLayer[];
  readonly chunkBytes: number;
  readonly manifests: ManifestStore;
  readonly pool: ChunkPool;
  /** Told of a layer that can't be asked or read: it is passed over from then on. */
  readonly onFailure: (layerId: string, error: unknown) => void;
}

/** A chunk that is wanted, and the number of one in an own layer that may be it. */
interface Place {
  readonly chunk: WantedChunk;
  readonly from: number;
}

type Frame = Pick<WantedFrame, 'chunks'>;

/** What own layers seem to hold of frames. */
export interface Found<F extends Frame> {
  readonly whole: readonly F[];
  readonly others: readonly F[];
  /**
   * Gives to `write` the chunks of whole frames, each only after its SHA-256 was found to be its fingerprint. Answers which those
   * were. Errors: those of `write`, the signal's reason.
   */
  copy(write: Write, signal: AbortSignal): Promise<ReadonlySet<WantedChunk>>;
}

export type Write = (chunk: WantedChunk, bytes: Uint8Array) => Promise<void>;

interface To {
  readonly write: Write;
  readonly signal: AbortSignal;
}

/** What the host's own layers hold of a layer that arrives: those chunks need not be fetched. */
export class OwnChunks {
  readonly #options: OwnChunksOptions;
  readonly #layers: Set<OwnLayer>;

  constructor(options: OwnChunksOptions) {
    this.#options = options;
    this.#layers = new Set(options.layers);
  }

  /** Tells which frames are whole here: all of whose chunks own layers seem to hold. Of others all has to be fetched anyhow. */
  async find<F extends Frame>(frames: readonly F[]): Promise<Found<F>> {
    const places = await this.#find(frames.flatMap(({ chunks }) => chunks));
    const known = new Set([...places.values()].flat().map(({ chunk }) => chunk));
    const { whole = [], others = [] } = Object.groupBy(frames, ({ chunks }) =>
      chunks.every((chunk) => known.has(chunk)) ? 'whole' : 'others',
    );
    return { whole, others, copy: (write, signal) => this.#copy(whole, places, { write, signal }) };
  }

  async #copy(whole: readonly Frame[], places: ReadonlyMap<OwnLayer, readonly Place[]>, to: To) {
    const wanted = new Set(whole.flatMap(({ chunks }) => chunks));
    const copied = new Set<WantedChunk>();
    for (const [layer, all] of places) {
      const some = all.filter(({ chunk }) => wanted.has(chunk)).sort((a, b) => a.from - b.from);
      if (some.length > 0) await this.#copyFrom(layer, some, copied, to);
    }
    return copied;
  }

  /** Where chunks may be, each in the first layer that knows its fingerprint. */
  async #find(wanted: readonly WantedChunk[]): Promise<Map<OwnLayer, Place[]>> {
    const places = new Map<OwnLayer, Place[]>();
    let left = wanted;
    for (const layer of this.#layers) {
      if (left.length === 0) break;
      const asked = left;
      const sought = soughtOf(asked.map(({ fingerprint }) => fingerprint));
      const found = await this.#ask(layer, () => this.#options.manifests.find(layer.layerId, sought));
      if (found === undefined || found.size === 0) continue;
      places.set(
        layer,
        [...found].map(([at, from]) => ({ chunk: asked[at]!, from })),
      );
      left = asked.filter((_, at) => !found.has(at));
    }
    return places;
  }

  async #copyFrom(
    layer: OwnLayer,
    places: readonly Place[],
    copied: Set<WantedChunk>,
    { write, signal }: To,
  ): Promise<void> {
    const { pool, chunkBytes } = this.#options;
    const perRead = Math.max(1, Math.floor(pool.bufferBytes / chunkBytes));
    for (let at = 0; at < places.length; at += perRead) {
      const some = places.slice(at, at + perRead);
      const read = await this.#ask(layer, () => this.#read(layer, some, signal), signal);
      if (read === undefined) return;
      try {
        for (const [slot, { at: from, length }] of [...chunksIn(read.spans, chunkBytes)].entries()) {
          const { chunk } = some[slot]!;
          const found = read.fingerprints.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES);
          const isIt = read.states[slot] === DATA && length === chunk.length && sameDigest(found, chunk.fingerprint);
          if (!isIt) continue;
          await write(chunk, read.bytes.subarray(from, from + length));
          copied.add(chunk);
        }
      } finally {
        read.release();
      }
    }
  }

  /** Reads and fingerprints, by the pool's threads, what lies in the layer where these chunks should. */
  async #read(layer: OwnLayer, places: readonly Place[], signal: AbortSignal) {
    const { pool, chunkBytes } = this.#options;
    const spans = await spansOf(await layer.open(), geometryOf(layer.virtualBytes, chunkBytes), places);
    return { spans, ...(await pool.read(spans, chunkBytes, signal)) };
  }

  /** Undefined if it fails: what is not copied is fetched. */
  async #ask<T>(layer: OwnLayer, ask: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      this.#layers.delete(layer);
      this.#options.onFailure(layer.layerId, error);
      return undefined;
    }
  }
}

async function spansOf(disk: DiskLayer, geometry: Geometry, places: readonly Place[]): Promise<Span[]> {
  const spans: Span[] = [];
  for (const { from } of places) {
    const offset = from * geometry.chunkBytes;
    const length = chunkLength(geometry, from);
    spans.push({ chunk: from, count: 1, offset, length, pieces: await disk.pieces(offset, length) });
  }
  return spans;
}
