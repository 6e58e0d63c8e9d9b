import * as z from 'zod';
import { knownRates } from '../../core/api/forecast.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { type KnownRates, RATE_NAMES, type RateName } from '../../core/planner/rates.ts';
import { RecordFolder } from '../catalog/record-folder.ts';
import type { Tried } from '../sample/sample-layer.ts';

/** How a base layer compresses. It never changes, so it is tried once. */
const tried = z.object({
  rawBytes: z.number(),
  compressedBytes: z.number(),
  /** Once only the lowest level was tried, and its time was not kept. */
  level: z.number().default(limits.pack_level_default),
  compressMs: z.number().default(0),
  lowestMs: z.number().default(0),
}) satisfies z.ZodType<Tried>;

/** Ratios by layer id, the ones that were used last at the end. */
const record = z.object({ rates: knownRates, ratios: z.record(z.string(), tried) });
const NAME = 'host';

const CALLS: readonly RateName[] = ['call', 'lookup'];

/**
 * What a host has found out of itself and its link, kept between the runs of its agent. A rate is the mean of what it was
 * and what was measured last, which counts by how much was moved: one transfer at a bad time does not make it, and an old one does
 * not stay. How long calls take is
 * believed at once if it is less: the others waited for something that is not of every call, a function's first start for instance.
 */
export class Measures {
  readonly #records: RecordFolder<z.infer<typeof record>>;
  readonly #rates: Map<RateName, number>;
  readonly #ratios: Map<string, Tried>;
  #changed = false;

  private constructor(records: RecordFolder<z.infer<typeof record>>) {
    this.#records = records;
    const { rates, ratios } = records.get(NAME) ?? { rates: {} as KnownRates, ratios: {} };
    this.#rates = new Map(RATE_NAMES.flatMap((name) => (rates[name] ? [[name, rates[name].value]] : [])));
    this.#ratios = new Map(Object.entries(ratios));
  }

  static async open(folder: string, files: Files): Promise<Measures> {
    return new Measures(await RecordFolder.open(files, folder, record));
  }

  /** What it remembers. */
  rates(): KnownRates {
    return Object.fromEntries([...this.#rates].map(([name, value]) => [name, { value, from: 'remembered' }]));
  }

  /**
   * Bytes a second, or milliseconds of a call; `bytes`: by which it was measured. What took no time that the clock could tell
   * is not noted.
   */
  note(name: RateName, value: number, bytes: number = limits.rate_memory_bytes): void {
    if (!(value > 0) || !Number.isFinite(value)) return;
    const before = this.#rates.get(name) ?? value;
    const mean = before + ((value - before) * bytes) / (bytes + limits.rate_memory_bytes);
    this.#rates.set(name, CALLS.includes(name) ? Math.min(value, mean) : mean);
    this.#changed = true;
  }

  ratio(layerId: string): Tried | undefined {
    return this.#ratios.get(layerId);
  }

  noteRatio(layerId: string, found: Tried): void {
    this.#ratios.delete(layerId);
    this.#ratios.set(layerId, found);
    if (this.#ratios.size > limits.ratios_kept_max) this.#ratios.delete(this.#ratios.keys().next().value!);
    this.#changed = true;
  }

  /** Keeps what was noted since. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    await this.#records.put(NAME, { rates: this.rates(), ratios: Object.fromEntries(this.#ratios) });
  }
}
