import type { LayerSample, TaskInput } from '../../core/api/tasks.ts';
import { hasCode } from '../../core/errors.ts';
import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { type KnownRates, type RateName, rateOf } from '../../core/planner/rates.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { perSecond } from '../live/measure.ts';
import { type Hooks, hooksOfManifest, thinned } from '../sample/hooks.ts';
import { type Sampled, sampleLayer, type Tried } from '../sample/sample-layer.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** Calls of which the quickest tells how long one takes: the others waited for something else, too. */
const CALLS = 3;

interface Looked {
  readonly stream: string;
  readonly hooks: Hooks;
  readonly dataBytes: number;
  readonly tried: Tried;
}

type LookInput = Pick<Extract<TaskInput, { kind: 'survey' }>, 'chunk_bytes' | 'max_rate_bytes_per_second'>;

/** What a survey finds out for the plan beside what the layers are: a bounded look into each of them, and this host's rates. */
export class Look {
  readonly #host: TaskHost;
  readonly #run: TaskRun;
  readonly #chunkBytes: number;
  readonly #upMax: number;
  readonly #looked = new Map<string, Looked>();
  /** What running VMs write, in bytes a second. */
  readonly writes: { readonly vm: string; readonly bytes_per_second: number }[] = [];
  readonly #read = { bytes: 0, ms: 0 };
  readonly #compressed = { bytes: 0, ms: 0 };

  constructor(host: TaskHost, run: TaskRun, input: LookInput) {
    this.#host = host;
    this.#run = run;
    this.#chunkBytes = input.chunk_bytes;
    this.#upMax = input.max_rate_bytes_per_second ?? Number.POSITIVE_INFINITY;
  }

  /** Looks into a layer, once. One whose id is known has a manifest here. Errors: those of sampleLayer. */
  async into(stream: string, layer: DiskLayer, known: { layer_id?: string | undefined; data_bytes: number }) {
    if (this.#looked.has(stream)) return;
    const { layer_id: layerId, data_bytes: dataBytes } = known;
    const hooks = layerId === undefined ? undefined : await this.#hooks(layerId);
    const remembered = layerId === undefined ? undefined : this.#host.measures.ratio(layerId);
    // Once tried is enough, though the link may have changed: a layer that the destination has costs no read of its data.
    if (hooks !== undefined && remembered !== undefined) {
      this.#looked.set(stream, { stream, hooks, dataBytes, tried: remembered });
      return;
    }
    const sampled = await this.#sample(layer);
    if (layerId !== undefined) this.#host.measures.noteRatio(layerId, sampled.tried);
    this.#looked.set(stream, { stream, ...sampled, ...(hooks === undefined ? {} : { hooks, dataBytes }) });
  }

  /** What the link was seen to take, or the migration may. A link that nobody has seen may be fast: a push begins fast, too. */
  #up(): number {
    const { value, from } = rateOf(this.#host.measures.rates(), 'up');
    return Math.min(from === 'assumed' ? Number.POSITIVE_INFINITY : value, this.#upMax);
  }

  #rate(name: RateName): number {
    return rateOf(this.#host.measures.rates(), name).value;
  }

  /** Measures what a running VM writes while `work` is done, for `limits.guest_look_ms` at the least. `written`: all of it until now. */
  async atWrites<T>(vm: string, written: () => Promise<number>, work: () => Promise<T>): Promise<T> {
    const { clock } = this.#host;
    const [beganMs, before] = [clock.nowMs(), await written()];
    const done = await work();
    const leftMs = limits.guest_look_ms - (clock.nowMs() - beganMs);
    if (leftMs > 0) await clock.sleep(leftMs, this.#run.signal);
    this.writes.push({ vm, bytes_per_second: perSecond((await written()) - before, clock.nowMs() - beganMs) });
    return done;
  }

  /** A manifest that is damaged tells nothing; whoever relies on it says so. */
  async #hooks(layerId: string): Promise<Hooks | undefined> {
    try {
      return await hooksOfManifest(this.#host.manifests, layerId);
    } catch (error) {
      if (hasCode(error, 'MANIFEST_CORRUPT')) return undefined;
      throw error;
    }
  }

  async #sample(layer: DiskLayer): Promise<Sampled> {
    const { pool, clock, zstd, places } = this.#host;
    const { signal } = this.#run;
    const job = {
      layer,
      chunkBytes: this.#chunkBytes,
      pool,
      clock,
      zstd,
      signal,
      up: this.#up(),
      load: this.#rate('load'),
    };
    const sampled = await places.source(signal, () => sampleLayer(job));
    this.#read.bytes += sampled.rawBytes;
    this.#read.ms += sampled.readMs;
    this.#compressed.bytes += sampled.rawBytes;
    this.#compressed.ms += sampled.tried.lowestMs;
    return sampled;
  }

  samples(): LayerSample[] {
    const looked = [...this.#looked.values()];
    const told = thinned(
      looked.map(({ hooks }) => hooks.fingerprints),
      limits.survey_hooks_max,
    );
    return looked.map(({ stream, hooks, dataBytes, tried }, at) => ({
      stream,
      hooks: Buffer.concat(told[at]!, told[at]!.length * DIGEST_BYTES).toString('base64'),
      hooks_all: hooks.all,
      data_bytes: dataBytes,
      raw_bytes: tried.rawBytes,
      compressed_bytes: tried.compressedBytes,
      level: tried.level,
      compress_ms: tried.compressMs,
    }));
  }

  /** What was measured now, and what is remembered of the rest. Errors: those of the API. */
  async rates(migration: string): Promise<KnownRates> {
    const { measures } = this.#host;
    const measured = {
      hash: perSecondOf(this.#read),
      compress: perSecondOf(this.#compressed),
      call: await this.#callMs(migration),
    };
    const found: KnownRates = { ...measures.rates(), ...measuredOnly(measured) };
    for (const [name, value] of Object.entries(measured)) measures.note(name as keyof typeof measured, value ?? 0);
    return found;
  }

  async #callMs(migration: string): Promise<number | undefined> {
    const { api, clock } = this.#host;
    let leastMs = Number.POSITIVE_INFINITY;
    for (let call = 0; call < CALLS; call++) {
      const beganMs = clock.nowMs();
      await api.call('getMigration', { params: { migration }, signal: this.#run.signal });
      leastMs = Math.min(leastMs, clock.nowMs() - beganMs);
    }
    return leastMs > 0 ? leastMs : undefined;
  }
}

function perSecondOf({ bytes, ms }: { bytes: number; ms: number }): number | undefined {
  return bytes >= limits.rate_sample_bytes_min && ms > 0 ? (1000 * bytes) / ms : undefined;
}

function measuredOnly(found: Readonly<Record<string, number | undefined>>): KnownRates {
  const rates = Object.entries(found).filter(([, value]) => value !== undefined);
  return Object.fromEntries(rates.map(([name, value]) => [name, { value, from: 'measured' }]));
}
