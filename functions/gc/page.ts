import { LayerMoverError } from '../../core/errors.ts';
import { toHex } from '../../core/fingerprint.ts';
import { IdFilter } from '../../core/format/id-filter.ts';
import { namespaceScope, OBJECT_KINDS, type ObjectKind, objectKey } from '../../core/format/keys.ts';
import type { CollectionCounts, CollectionPhase, CollectionRun, CountedKind, Fate } from '../../core/garbage.ts';
import { limits } from '../../core/limits.ts';
import type { CollectionDeps } from './deps.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Counts = Record<CountedKind, Record<Fate, { objects: number; bytes: number }>>;

/** A bit more than the largest filter that there is. */
const FILTER_BYTES_MAX = limits.collection_filter_bytes + 1024;

/** One call of a collection: what it works with, how long it may, and what it has found and done. */
export class Page {
  readonly deps: CollectionDeps;
  readonly run: CollectionRun;
  readonly counts: Mutable<Omit<CollectionCounts, 'objects'>> & { readonly objects: Counts };
  readonly #filter: IdFilter;
  readonly #untilMs: number;
  #isChanged = false;

  private constructor(deps: CollectionDeps, run: CollectionRun, filter: IdFilter) {
    this.deps = deps;
    this.run = run;
    this.counts = structuredClone(run.counts) as Page['counts'];
    this.#filter = filter;
    this.#untilMs = deps.clock.nowMs() + limits.collection_call_ms;
  }

  static async open(deps: CollectionDeps, run: CollectionRun): Promise<Page> {
    if (run.filter === undefined) return new Page(deps, run, IdFilter.create(deps.random.bytes(8)));
    const bytes = await deps.objects.get(run.filter, { bytesMax: FILTER_BYTES_MAX });
    return new Page(deps, run, IdFilter.decode(bytes));
  }

  get namespace(): string {
    return this.run.namespace;
  }

  get isDry(): boolean {
    return this.run.dryRun;
  }

  /** True once nothing new may begin. */
  get isOver(): boolean {
    return this.deps.clock.nowMs() >= this.#untilMs;
  }

  keyOf(kind: ObjectKind, id: string): string {
    return objectKey(namespaceScope(this.namespace), kind, id);
  }

  /** Notes that something which is needed names this object. */
  need(kind: ObjectKind, id: string): void {
    this.#add(OBJECT_KINDS.indexOf(kind), id);
  }

  /** True for each object that is needed, and by chance for one that is not. */
  isNeeded(kind: ObjectKind, id: string): boolean {
    return this.#filter.has(OBJECT_KINDS.indexOf(kind), id);
  }

  /** Notes that a placement which is there names this pack, though nothing needs it. */
  name(pack: string): void {
    this.#add(OBJECT_KINDS.length, pack);
  }

  isNamed(pack: string): boolean {
    return this.#filter.has(OBJECT_KINDS.length, pack);
  }

  count(kind: CountedKind, fate: Fate, bytes: number): void {
    const tally = this.counts.objects[kind][fate];
    tally.objects++;
    tally.bytes += bytes;
  }

  /** The record of the run after this page; `next` is where it goes on, undefined at its end. */
  async result(next: { phase: CollectionPhase; after?: string } | undefined): Promise<CollectionRun> {
    const updatedMs = this.deps.clock.nowMs();
    const { filter: _, after: __, ...run } = this.run;
    const counts = this.counts as CollectionCounts;
    const stands = { ...run, page: run.page + 1, updatedMs, counts };
    if (next === undefined) return { ...stands, state: 'done', endedMs: updatedMs };
    if (stands.page >= limits.collection_pages_max)
      throw new LayerMoverError('COLLECTION_TOO_LONG', `a garbage collection has ${stands.page} pages at the most`, {
        hint: 'what it removed is gone; run it again',
      });
    return { ...stands, ...next, filter: await this.#keep() };
  }

  #add(what: number, id: string): void {
    this.#filter.add(what, id);
    this.#isChanged = true;
  }

  /** Objects are never replaced: each filter has a name of its own, which the record of its page tells. */
  async #keep(): Promise<string> {
    const { filter, id, page } = this.run;
    if (filter !== undefined && !this.#isChanged) return filter;
    const key = `${filtersOf(this.namespace)}${id}/${page}-${toHex(this.deps.random.bytes(8))}`;
    await this.deps.objects.put(key, [this.#filter.encode()]);
    return key;
  }
}

/** Where the filters of a namespace's collections lie. */
export function filtersOf(namespace: string): string {
  return `${namespaceScope(namespace)}/garbage/`;
}
