import type { LayerSample } from '../../core/api/tasks.ts';
import { DIGEST_BYTES, isHook, toHex } from '../../core/fingerprint.ts';
import type { Share } from '../../core/planner/facts.ts';
import type { KnownRates } from '../../core/planner/rates.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { taskIdOf } from '../../core/task.ts';
import type { StepDeps } from './deps.ts';

/** What the sources' agents have measured and sampled. It stays with their tasks: nobody but the plan needs it. */
export interface Surveys {
  /** By source. */
  readonly rates: ReadonlyMap<string, KnownRates>;
  /** By stream. */
  readonly samples: ReadonlyMap<string, LayerSample>;
  /** What running VMs write, in bytes a second. */
  readonly writes: ReadonlyMap<string, number>;
}

export async function readSurveys(
  { tasks }: StepDeps,
  { id }: MigrationRecord,
  gang: readonly VmRecord[],
): Promise<Surveys> {
  const rates = new Map<string, KnownRates>();
  const samples = new Map<string, LayerSample>();
  const writes = new Map<string, number>();
  for (const source of new Set(gang.map((vm) => vm.source))) {
    const outcome = (await tasks.find(taskIdOf(id, 'survey', source)))?.outcome;
    if (outcome?.status !== 'done' || outcome.result.kind !== 'survey') continue;
    rates.set(source, outcome.result.rates ?? {});
    for (const sample of outcome.result.samples ?? []) samples.set(sample.stream, sample);
    for (const { vm, bytes_per_second } of outcome.result.writes ?? []) writes.set(vm, bytes_per_second);
  }
  return { rates, samples, writes };
}

/** Knows hooks that the index has, and those of layers that will have been deduplicated by then. */
export class HookSet {
  readonly #known = new Set<string>();
  readonly #asked = new Set<string>();
  readonly #deps: StepDeps;
  readonly #namespace: string;

  constructor(deps: StepDeps, namespace: string) {
    this.#deps = deps;
    this.#namespace = namespace;
  }

  /** The share of a layer's hooks that are known; undefined if it has none to tell by. `keep`: they are known from now on. */
  async duplicates(sample: LayerSample | undefined, keep: boolean): Promise<Share | undefined> {
    const hooks = sample === undefined ? [] : hooksOf(sample, this.#deps.sampling);
    if (sample === undefined || hooks.length === 0) return undefined;
    const news = hooks.filter((hook) => !this.#asked.has(hook));
    const { index } = this.#deps;
    for (const hook of (await index.lookup(this.#namespace, news)).keys()) this.#known.add(hook);
    for (const hook of news) this.#asked.add(hook);
    const known = hooks.filter((hook) => this.#known.has(hook)).length;
    if (keep) for (const hook of hooks) this.#known.add(hook);
    return { value: known / hooks.length, seen: hooks.length, all: Math.max(hooks.length, sample.hooks_all) };
  }
}

/** A sample's fingerprints that have rows at this sampling rate if any chunk of theirs is in the index; each once, in hex. */
function hooksOf({ hooks }: LayerSample, sampling: number): string[] {
  const bytes = Buffer.from(hooks, 'base64');
  const found = new Set<string>();
  for (let at = 0; at + DIGEST_BYTES <= bytes.length; at += DIGEST_BYTES) {
    const fingerprint = bytes.subarray(at, at + DIGEST_BYTES);
    if (isHook(fingerprint, sampling)) found.add(toHex(fingerprint));
  }
  return [...found];
}

/** What is left after compression of what was tried. */
export function compressedBy(sample: LayerSample | undefined): Share | undefined {
  if (sample === undefined || sample.raw_bytes === 0) return undefined;
  const { raw_bytes: seen, compressed_bytes: left, data_bytes: all } = sample;
  return { value: Math.min(1, left / seen), seen, all: Math.max(seen, all) };
}
