import type { LayerSample } from '../../core/api/tasks.ts';
import { DIGEST_BYTES, isHook, toHex } from '../../core/fingerprint.ts';
import type { Share } from '../../core/planner/facts.ts';
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

/** Knows hooks that the index has, and those of layers that will have been deduplicated by then. */
export class HookSet {
  readonly #indexed = new Set<string>();
  readonly #asked = new Set<string>();
  /** Base layers that had their turn, by id. */
  readonly #bases = new Map<string, { readonly parent: string | null; readonly hooks: readonly string[] }>();
  readonly #brought = new Set<string>();
  readonly #deps: StepDeps;
  readonly #namespace: string;

  constructor(deps: StepDeps, namespace: string) {
    this.#deps = deps;
    this.#namespace = namespace;
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
