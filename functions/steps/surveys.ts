import type { LayerSample } from '../../core/api/tasks.ts';
import { DIGEST_BYTES, isHook, toHex } from '../../core/fingerprint.ts';
import type { LayerFacts, Share } from '../../core/planner/facts.ts';
import type { KnownRates } from '../../core/planner/rates.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { taskIdOf } from '../../core/task.ts';
import type { StepDeps } from './deps.ts';
import type { Stream } from './streams.ts';

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

/** Shares of a layer's hooks that are known when it has its turn. */
export interface Duplicates {
  /** Once the gang's base layers before it were deduplicated. */
  readonly together: Share;
  /** Once those that it lies on were, and no others. */
  readonly alone: Share;
}

/** Knows hooks that the index has, and those of layers that will have been deduplicated by then; and which of all the destination holds. */
export class HookSet {
  readonly #indexed = new Set<string>();
  readonly #asked = new Set<string>();
  /** Base layers that had their turn, by id. */
  readonly #bases = new Map<string, { readonly parent: string | null; readonly hooks: readonly string[] }>();
  readonly #brought = new Set<string>();
  /** What the destination holds, before the migration and by now. */
  readonly #there: ReadonlySet<string>;
  readonly #held: Set<string>;
  readonly #deps: StepDeps;
  readonly #namespace: string;

  /** `there`: those of what the destination holds before the migration. */
  constructor(deps: StepDeps, namespace: string, there: ReadonlySet<string>) {
    this.#deps = deps;
    this.#namespace = namespace;
    this.#there = there;
    this.#held = new Set(there);
  }

  /** Undefined if the layer has no hooks to tell by. Those of a base layer are known from now on. */
  async duplicates({ layer, isBase }: Stream, sample: LayerSample | undefined): Promise<Duplicates | undefined> {
    const hooks = sample === undefined ? [] : hooksOf(sample, this.#deps.sampling);
    if (sample === undefined || hooks.length === 0) return undefined;
    await this.#ask(hooks.filter((hook) => !this.#asked.has(hook)));
    const below = this.#below(layer.parent);
    const shareIn = (brought: ReadonlySet<string>): Share => {
      const known = hooks.filter((hook) => this.#indexed.has(hook) || brought.has(hook)).length;
      return { value: known / hooks.length, seen: hooks.length, all: Math.max(hooks.length, sample.hooks_all) };
    };
    const found = { together: shareIn(this.#brought), alone: shareIn(below) };
    if (isBase) this.#bring(layer, hooks);
    return found;
  }

  async #ask(hooks: readonly string[]): Promise<void> {
    for (const hook of (await this.#deps.index.lookup(this.#namespace, [...hooks])).keys()) this.#indexed.add(hook);
    for (const hook of hooks) this.#asked.add(hook);
  }

  #bring({ layer_id: id, parent }: Stream['layer'], hooks: readonly string[]): void {
    this.#bases.set(id!, { parent, hooks });
    for (const hook of hooks) this.#brought.add(hook);
  }

  /** Hooks of a layer and of those that it lies on. */
  #below(layerId: string | null): Set<string> {
    const hooks = new Set<string>();
    for (let id = layerId; id !== null; ) {
      const base = this.#bases.get(id);
      for (const hook of base?.hooks ?? []) hooks.add(hook);
      id = base?.parent ?? null;
    }
    return hooks;
  }

  /** Shares of a base layer's hooks that others hold which the destination has by then; from now on it holds this one's, too. */
  held(sample: LayerSample | undefined): { readonly together: number; readonly alone: number } {
    const hooks = sample === undefined ? [] : hooksOf(sample, this.#deps.sampling);
    const shareIn = (held: ReadonlySet<string>) =>
      hooks.filter((hook) => held.has(hook)).length / Math.max(1, hooks.length);
    const shares = { together: shareIn(this.#held), alone: shareIn(this.#there) };
    for (const hook of hooks) this.#held.add(hook);
    return shares;
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

/** How a layer compresses, by what was tried of it. */
export function compressionBy(sample: LayerSample | undefined): Pick<LayerFacts, 'compressed' | 'level' | 'compress'> {
  if (sample === undefined || sample.raw_bytes === 0) return {};
  const { raw_bytes: seen, compressed_bytes: left, data_bytes: all, level, compress_ms: ms = 0 } = sample;
  const compressed = { value: Math.min(1, left / seen), seen, all: Math.max(seen, all) };
  return { compressed, level, ...(ms === 0 ? {} : { compress: (1000 * seen) / ms }) };
}
