import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { DamagedObject, RebuildAnswer, RebuildCounts } from '../../core/api/rebuild.ts';
import { namespaceScope, type ObjectKind, objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { contentsOf, type PackDeps, packsFor } from '../packs/find-packs.ts';
import { FooterCache } from '../packs/footer-cache.ts';
import { takeIntoUse } from '../packs/in-use.ts';
import type { PackContents } from '../packs/pack-contents.ts';

export interface RebuildDeps extends Pick<CloudPorts, 'objects' | 'index' | 'idle' | 'layers'> {
  readonly clock: Clock;
  /** One fingerprint in so many gets an index row. */
  readonly sampling: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One call of a rebuild: what it works with, how long it may, and what it has found and done. */
export class Page {
  readonly deps: RebuildDeps;
  readonly namespace: string;
  /** Read packs as a whole. */
  readonly check: boolean;
  readonly counts: Mutable<RebuildCounts> = {
    packs_read: 0,
    bytes_checked: 0,
    rows_written: 0,
    rows_removed: 0,
    placements_rebuilt: 0,
    layers_complete: 0,
    layers_incomplete: 0,
    objects_removed: 0,
  };
  readonly #damaged: DamagedObject[] = [];
  readonly #untilMs: number;
  /** Of this call alone: what a pack was in the call before does not count. */
  readonly #packs: PackDeps;

  constructor(deps: RebuildDeps, namespace: string, check: boolean) {
    this.deps = deps;
    this.namespace = namespace;
    this.check = check;
    this.#untilMs = deps.clock.nowMs() + limits.rebuild_call_ms;
    this.#packs = { ...deps, footers: new FooterCache(limits.footer_cache_bytes) };
  }

  /** True once nothing new may begin. */
  get isOver(): boolean {
    return this.deps.clock.nowMs() >= this.#untilMs;
  }

  keyOf(kind: ObjectKind, id: string): string {
    return objectKey(namespaceScope(this.namespace), kind, id);
  }

  found(kind: DamagedObject['kind'], id: string, what: string): void {
    this.#damaged.push({ kind, id, what });
  }

  /** To be noted before anything is taken out: a layer that is being sent may rest on it, and is not recorded then. */
  async noteRemoval(): Promise<void> {
    await this.deps.layers.noteRemoval(this.namespace, this.deps.clock.nowMs());
  }

  /** Takes an object out. */
  async remove(kind: ObjectKind, id: string): Promise<void> {
    await this.noteRemoval();
    await this.deps.objects.remove([this.keyOf(kind, id)]);
    this.counts.objects_removed++;
  }

  /** Throws OBJECT_LEAVING if garbage collection is removing one of the packs; otherwise it will not. */
  async takeIntoUse(packs: readonly string[]): Promise<void> {
    await takeIntoUse(this.deps, this.namespace, 'packs', packs);
  }

  /** Puts a placement in the place of one that is damaged or gone. Whoever looks between the two hears that there is none. */
  async replacePlacement(segment: string, bytes: Uint8Array): Promise<void> {
    const key = this.keyOf('placements', segment);
    await this.deps.objects.remove([key]);
    await this.deps.objects.put(key, [bytes]);
    this.counts.placements_rebuilt++;
  }

  /** What packs hold, by id; those that are gone, damaged or condemned are left out. */
  contentsOf(packs: readonly string[]): Promise<Map<string, PackContents>> {
    return contentsOf(this.#packs, this.namespace, packs);
  }

  /** The packs that the index names for fingerprints, most named first. */
  packsFor(fingerprints: Buffer): Promise<string[]> {
    return packsFor(this.deps, this.namespace, fingerprints);
  }

  answer(next: RebuildAnswer['next']): RebuildAnswer {
    return { ...this.counts, damaged: this.#damaged, ...(next === undefined ? {} : { next }) };
  }
}
