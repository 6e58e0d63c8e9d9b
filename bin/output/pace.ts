import type { MigrationView } from '../../core/api/views.ts';

/** How far a migration is, over all layers that move. Raw bytes but for `wireBytes`. */
export interface Amounts {
  /** In the store: sent by a source, or there before. */
  readonly handledBytes: number;
  /** Written at the destination. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** What the sources sent: compressed packs, manifests, fingerprints. */
  readonly wireBytes: number;
}

export function amountsOf(migration: Pick<MigrationView, 'vms'>): Amounts {
  const layers = migration.vms
    .flatMap((vm) => vm.layers)
    .filter((layer) => !layer.shared && layer.treatment !== 'skip');
  const sum = (pick: (layer: (typeof layers)[number]) => number) => layers.reduce((all, layer) => all + pick(layer), 0);
  return {
    handledBytes: sum((layer) => (layer.stored ? layer.total_bytes : Math.min(layer.handled_bytes, layer.total_bytes))),
    doneBytes: sum((layer) => Math.min(layer.done_bytes, layer.total_bytes)),
    totalBytes: sum((layer) => layer.total_bytes),
    wireBytes: sum((layer) => layer.wire_bytes),
  };
}

/** The share of the work that is done, 0 to 1: each byte is brought to the store and written at the destination. */
export function shareOf({ handledBytes, doneBytes, totalBytes }: Amounts): number {
  return totalBytes === 0 ? 0 : (handledBytes + doneBytes) / (2 * totalBytes);
}

const WINDOW_MS = 15_000;
const SHORTEST_MS = 2_000;

/** How fast it goes, from what was seen in the last seconds. */
export class Pace {
  #seen: { readonly atMs: number; readonly share: number }[] = [];

  /** Raw bytes a second and seconds left; absent as long as they can't be told. */
  see(amounts: Amounts, nowMs: number): { bytesPerSecond?: number; secondsLeft?: number } {
    const share = shareOf(amounts);
    // Layers that are planned meanwhile make the whole larger: what was seen before tells nothing any more.
    if (share < (this.#seen.at(-1)?.share ?? 0)) this.#seen = [];
    this.#seen.push({ atMs: nowMs, share });
    while (this.#seen.length > 2 && nowMs - this.#seen[1]!.atMs >= WINDOW_MS) this.#seen.shift();
    const first = this.#seen[0]!;
    const [ms, gain] = [nowMs - first.atMs, share - first.share];
    if (ms < SHORTEST_MS || gain <= 0) return {};
    return {
      bytesPerSecond: (1000 * gain * amounts.totalBytes) / ms,
      secondsLeft: Math.ceil((ms * (1 - share)) / gain / 1000),
    };
  }
}
