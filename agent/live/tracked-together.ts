import type { LiveLayer } from './live-layer.ts';
import type { RoundKind, Tracking } from './tracking.ts';

/** Disks that are followed in one way, by their numbers among the VM's. */
export interface Tracked {
  readonly at: readonly number[];
  readonly tracking: Tracking;
}

/** Disks of one VM that are followed in two ways: a round is one of both, and fails if one of them does. */
export class TrackedTogether implements Tracking {
  readonly #outer: Tracked;
  readonly #inner: Tracked;

  constructor(outer: Tracked, inner: Tracked) {
    this.#outer = outer;
    this.#inner = inner;
  }

  get hasAll(): boolean {
    return this.#both.every(({ tracking }) => tracking.hasAll);
  }

  get isAlive(): boolean {
    return this.#both.every(({ tracking }) => tracking.isAlive);
  }

  round<T>(kind: RoundKind, signal: AbortSignal, use: (layers: readonly LiveLayer[]) => Promise<T>): Promise<T> {
    const { at, tracking } = this.#outer;
    const inner = this.#inner;
    return tracking.round(kind, signal, (outerLayers) =>
      inner.tracking.round(kind, signal, (innerLayers) => {
        const layers: LiveLayer[] = [];
        at.forEach((number, index) => {
          layers[number] = outerLayers[index]!;
        });
        inner.at.forEach((number, index) => {
          layers[number] = innerLayers[index]!;
        });
        return use(layers);
      }),
    );
  }

  async remainingBytes(signal: AbortSignal): Promise<number> {
    const bytes = await Promise.all(this.#both.map(({ tracking }) => tracking.remainingBytes(signal)));
    return bytes.reduce((sum, each) => sum + each, 0);
  }

  async end(): Promise<void> {
    await this.#each((tracking) => tracking.end());
  }

  async forget(): Promise<void> {
    await this.#each((tracking) => tracking.forget());
  }

  get #both(): readonly Tracked[] {
    return [this.#outer, this.#inner];
  }

  /** Both, though one fails. */
  async #each(work: (tracking: Tracking) => Promise<void>): Promise<void> {
    const done = await Promise.allSettled(this.#both.map(({ tracking }) => work(tracking)));
    for (const each of done) if (each.status === 'rejected') throw each.reason;
  }
}
