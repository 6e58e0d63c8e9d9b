import { type Geometry, geometryOf, segmentLength } from '../../core/chunk.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { fromHex, NO_DIGEST, sameDigest } from '../../core/fingerprint.ts';
import { DATA, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import { reportable } from '../daemon/reportable.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import type { ManifestDraft } from '../manifests/draft.ts';
import type { ManifestStore } from '../manifests/store.ts';
import type { ChunkPool } from '../scan/pool.ts';
import { readChunks } from '../scan/read.ts';
import { touchedRuns } from '../scan/runs.ts';
import { withChain } from '../tasks/chains.ts';
import type { KnownLayer } from './catalog.ts';

export interface ReadingOptions {
  readonly manifests: ManifestStore;
  readonly images: Pick<ImageFolder, 'path' | 'files'>;
  readonly pool: ChunkPool;
  readonly clock: Clock;
  readonly log: Log;
  /** True while no task runs. */
  readonly isIdle: () => boolean;
}

/**
 * One whole read of a base layer, a segment at a time. Each is compared with the manifest. A manifest that is not there, or is
 * damaged, tells nothing of the layer: it is made again of what is read, and the layer's id proves both.
 */
export class Reading {
  readonly layer: KnownLayer;
  readonly sinceMs: number;
  readonly #options: ReadingOptions;
  readonly #geometry: Geometry;
  /** The manifest that is being made again. */
  #draft: ManifestDraft | undefined;
  #next = 0;

  constructor(options: ReadingOptions, layer: KnownLayer) {
    this.layer = layer;
    this.sinceMs = options.clock.nowMs();
    this.#options = options;
    this.#geometry = geometryOf(layer.virtualBytes, layer.chunkBytes);
  }

  get isWhole(): boolean {
    return this.#next >= this.#geometry.segments;
  }

  /**
   * Reads the next segment, at the rate that is allowed. Answers false if a task began meanwhile. Errors: LAYER_CHANGED, those of
   * the manifest store and of reading.
   */
  async next(signal: AbortSignal): Promise<boolean> {
    const expected = await this.#expected();
    const index = this.#next;
    const found = await this.#read(index, signal);
    if (found === undefined) return false;
    if (expected !== undefined && !isSame(expected, found)) throw layerChanged(this.layer);
    await this.#draft?.putSegment(index, found);
    this.#next++;
    return true;
  }

  /** All of it was read. Errors: LAYER_CHANGED, those of the manifest store. */
  async end(): Promise<void> {
    if (this.#draft === undefined) return;
    const { layerId } = this.layer;
    if (!sameDigest(this.#draft.layerId, fromHex(layerId))) throw layerChanged(this.layer);
    // What is damaged would be kept as it is.
    await this.#options.manifests.remove(layerId);
    await this.#draft.seal();
    this.#draft = undefined;
  }

  /** Removes what was made so far; what can't be removed goes when the agent starts. */
  async discard(): Promise<void> {
    await this.#draft?.discard().catch(() => undefined);
    this.#draft = undefined;
  }

  /** What the next segment should hold; undefined if nobody can tell. Then the first one is the next. */
  async #expected(): Promise<Segment | undefined> {
    if (this.#draft !== undefined) return undefined;
    const { manifests, log } = this.#options;
    const { layerId, path, parent } = this.layer;
    try {
      return await manifests.segment(layerId, this.#next);
    } catch (error) {
      if (!hasCode(error, 'MANIFEST_UNKNOWN', 'MANIFEST_CORRUPT')) throw error;
      log.warn({ path, layer: layerId, error: reportable(error) }, 'a base layer’s manifest is made again');
      this.#draft = await manifests.draft(this.#geometry, parent === null ? NO_DIGEST : fromHex(parent));
      this.#next = 0;
      return undefined;
    }
  }

  /** Undefined if a task began meanwhile. */
  async #read(index: number, signal: AbortSignal): Promise<Segment | undefined> {
    const { images, pool, clock, isIdle } = this.#options;
    const geometry = this.#geometry;
    const found = new Segment(segmentLength(geometry, index));
    const offset = index * limits.segment_chunks * geometry.chunkBytes;
    const length = Math.min(geometry.virtualBytes - offset, limits.segment_chunks * geometry.chunkBytes);
    const image = { path: this.layer.path, topFormat: this.layer.container.format };
    return await withChain(images, image, async (chain) => {
      const top = chain.layers.at(-1)!;
      const runs = touchedRuns(top.extents(offset, length), geometry);
      for await (const batch of readChunks({ layer: top, geometry, pool }, runs, signal)) {
        if (!isIdle()) return undefined;
        batch.describe(found);
        await clock.sleep((1000 * batch.readBytes) / limits.reread_bytes_per_second, signal);
      }
      return found;
    });
  }
}

function isSame(expected: Segment, found: Segment): boolean {
  return expected.states.every((state, chunk) => {
    if (state !== found.states[chunk]) return false;
    return state !== DATA || sameDigest(expected.fingerprint(chunk), found.fingerprint(chunk));
  });
}

function layerChanged({ path, layerId }: KnownLayer): LayerMoverError {
  return new LayerMoverError('LAYER_CHANGED', `${path} is no longer what it was when it was read`, {
    hint: 'its disk or memory may be failing, or somebody wrote to it and put its times back; restore it from a copy',
    data: { path, layerId },
  });
}
