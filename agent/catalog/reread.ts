import { geometryOf, segmentLength } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { sameDigest } from '../../core/fingerprint.ts';
import { DATA, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import { reportable } from '../daemon/reportable.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import type { ManifestStore } from '../manifests/store.ts';
import type { ChunkPool } from '../scan/pool.ts';
import { readChunks } from '../scan/read.ts';
import { touchedRuns } from '../scan/runs.ts';
import { withChain } from '../tasks/chains.ts';
import type { Catalog, KnownLayer } from './catalog.ts';

export interface RereadOptions {
  readonly catalog: Catalog;
  readonly manifests: ManifestStore;
  readonly images: Pick<ImageFolder, 'path' | 'files'>;
  readonly pool: ChunkPool;
  readonly clock: Clock;
  readonly log: Log;
  /** True while no task runs. */
  readonly isIdle: () => boolean;
  /** Told when a layer was found to be another one than it was taken for. */
  readonly onChanged: () => void;
}

/**
 * Reads base layers again while their host has nothing to do, slowly, each once in `limits.reread_every_ms`, and compares
 * every chunk with the manifest: a layer that holds something else although its file looks as it did is not relied on any
 * longer. A whole read counts as one: receipts name it. After a restart a layer is begun anew.
 */
export class Reread {
  readonly #options: RereadOptions;
  /** The layer that is being read, since when, and which of its segments is next. */
  #reading: { readonly layer: KnownLayer; readonly sinceMs: number; next: number } | undefined;

  constructor(options: RereadOptions) {
    this.#options = options;
  }

  /** Resolves once `signal` has aborted and nothing is being read. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, isIdle } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(limits.reread_look_ms, signal).catch(() => undefined);
      while (isIdle() && !signal.aborted && (await this.step(signal)));
    }
  }

  /** Reads one segment of the layer that was not read for longest. Answers false if none is due, or a task has begun. */
  async step(signal: AbortSignal): Promise<boolean> {
    const reading = await this.#current();
    if (reading === undefined) return false;
    const { layer, sinceMs } = reading;
    try {
      const { segments } = geometryOf(layer.virtualBytes, layer.chunkBytes);
      if (reading.next >= segments) await this.#end(layer, { scannedMs: sinceMs });
      else if (!(await this.#compare(layer, reading.next, signal))) return false;
      reading.next++;
    } catch (error) {
      if (signal.aborted) return false;
      await this.#lose(layer, error);
    }
    return true;
  }

  /** What is being read, if its file is still as it was; else what is due. */
  async #current() {
    const { catalog, clock } = this.#options;
    const held = await catalog.files();
    if (held.some((layer) => layer === this.#reading?.layer)) return this.#reading;
    const nowMs = clock.nowMs();
    const [oldest] = held.toSorted((a, b) => (a.scannedMs ?? 0) - (b.scannedMs ?? 0));
    const isDue = oldest !== undefined && nowMs - (oldest.scannedMs ?? 0) >= limits.reread_every_ms;
    this.#reading = isDue ? { layer: oldest, sinceMs: nowMs, next: 0 } : undefined;
    return this.#reading;
  }

  async #end(layer: KnownLayer, found: Pick<KnownLayer, 'scannedMs' | 'changed'>): Promise<void> {
    await this.#options.catalog.reread(layer, found);
    this.#reading = undefined;
  }

  /** It is another layer, or can't be read: nobody is to rely on it. */
  async #lose(layer: KnownLayer, error: unknown): Promise<void> {
    const { log, onChanged } = this.#options;
    const fields = { path: layer.path, layer: layer.layerId, error: reportable(error) };
    log.error(fields, 'a base layer is not what it was, although its file looks so: it is not relied on any longer');
    await this.#end(layer, { changed: true });
    onChanged();
  }

  /**
   * Compares a segment with the manifest, at the rate that is allowed. Answers false if a task began meanwhile. Errors:
   * LAYER_CHANGED, those of the manifest store and of reading.
   */
  async #compare(layer: KnownLayer, index: number, signal: AbortSignal): Promise<boolean> {
    const { manifests, images, pool, clock, isIdle } = this.#options;
    const geometry = geometryOf(layer.virtualBytes, layer.chunkBytes);
    const expected = await manifests.segment(layer.layerId, index);
    const found = new Segment(segmentLength(geometry, index));
    const offset = index * limits.segment_chunks * geometry.chunkBytes;
    const length = Math.min(geometry.virtualBytes - offset, limits.segment_chunks * geometry.chunkBytes);
    const image = { path: layer.path, topFormat: layer.container.format };
    return await withChain(images, image, async (chain) => {
      const top = chain.layers.at(-1)!;
      const runs = touchedRuns(top.extents(offset, length), geometry);
      for await (const batch of readChunks({ layer: top, geometry, pool }, runs, signal)) {
        if (!isIdle()) return false;
        batch.describe(found);
        await clock.sleep((1000 * batch.readBytes) / limits.reread_bytes_per_second, signal);
      }
      if (!isSame(expected, found)) throw layerChanged(layer, index);
      return true;
    });
  }
}

function isSame(expected: Segment, found: Segment): boolean {
  return expected.states.every((state, chunk) => {
    if (state !== found.states[chunk]) return false;
    return state !== DATA || sameDigest(expected.fingerprint(chunk), found.fingerprint(chunk));
  });
}

function layerChanged({ path, layerId }: KnownLayer, segment: number): LayerMoverError {
  return new LayerMoverError('LAYER_CHANGED', `${path} is no longer what it was when it was read`, {
    hint: 'its disk or memory may be failing, or somebody wrote to it and put its times back; restore it from a copy',
    data: { path, layerId, segment },
  });
}
