import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { LayerSample } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import { type Candidate, choose } from '../../core/planner/choose.ts';
import type { LayerFacts } from '../../core/planner/facts.ts';
import { predict } from '../../core/planner/predict.ts';
import { type Rates, ratesBetween } from '../../core/planner/rates.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import type { StepDeps } from './deps.ts';
import { hooksHeldThere } from './held-there.ts';
import { type ExpectedPause, pausesOf } from './pauses.ts';
import { type PlannedStream, type Stream, streamsOf } from './streams.ts';
import { compressionBy, HookSet, readSurveys } from './surveys.ts';

/** A gang's layers, each once, by name of its stream; the rates of each source that they were planned by; pauses. */
export interface PlannedGang {
  readonly streams: ReadonlyMap<string, PlannedStream>;
  readonly rates: ReadonlyMap<string, Rates>;
  readonly pauses: readonly ExpectedPause[];
}

/** Plans every layer of a gang. */
export async function planStreams(
  deps: StepDeps,
  record: MigrationRecord,
  gang: readonly VmRecord[],
): Promise<PlannedGang> {
  const surveys = await readSurveys(deps, record, gang);
  const destination = (await deps.hosts.find(record.namespace, record.to))?.rates ?? {};
  const rates = new Map<string, Rates>();
  for (const { source } of gang)
    rates.set(source, ratesBetween(surveys.rates.get(source) ?? {}, destination, record.maxRateBytesPerSecond));
  const streams = streamsOf(gang);
  const bases = streams.filter(({ isBase }) => isBase).map(({ stream }) => stream);
  const present = await deps.layers.present(record.namespace, record.to, bases);
  const comes = bases.some((stream) => !present.has(stream));
  const hooks = new HookSet(deps, record.namespace, comes ? await hooksHeldThere(deps, record) : new Set());
  const known: (Omit<PlannedStream, 'chosen' | 'alone'> & { candidate: Candidate; factsAlone: LayerFacts })[] = [];
  for (const each of streams) {
    const changing = record.live !== undefined && !each.isBase;
    const isPresent = each.isBase && present.has(each.stream);
    const found = await factsOf(deps, record, each, { isPresent, changing, hooks }, surveys.samples.get(each.stream));
    const { facts } = found;
    known.push({ ...each, ...found, candidate: { facts, changing, rates: rates.get(each.vms[0]!.host)! } });
  }
  const chosen = choose(
    known.map(({ candidate }) => candidate),
    record.policy,
    limits.migration_fixed_ms,
  );
  const planned = known.map(({ candidate: { rates: own }, factsAlone, ...each }, at) => {
    return { ...each, chosen: chosen[at]!, alone: predict(chosen[at]!.treatment, factsAlone, own) };
  });
  const byName = new Map(planned.map((each) => [each.stream, each]));
  return { streams: byName, rates, pauses: pausesOf(record, byName, rates, surveys.writes) };
}

interface Situation {
  readonly isPresent: boolean;
  readonly changing: boolean;
  readonly hooks: HookSet;
}

/** The destination, the store and the index are asked in this order, each only for what those before it have not. */
async function factsOf(
  deps: StepDeps,
  { namespace, chunkBytes, planOnly }: MigrationRecord,
  stream: Stream,
  { isPresent, changing, hooks }: Situation,
  sample: LayerSample | undefined,
): Promise<{ facts: LayerFacts; factsAlone: LayerFacts; published: boolean }> {
  const { layer, isBase } = stream;
  const { layer_id: layerId, kind } = layer;
  const inStore = (of: string, id: string) => isInStore(deps, { namespace: of, planOnly }, id);
  const isOwn = layerId !== undefined && (await inStore(namespace, layerId));
  const published = !isOwn && isBase && (await inStore(PUBLIC_NAMESPACE, layerId!));
  const isStored = isOwn || published;
  const isOpen = !isPresent && !isStored && !changing;
  const duplicates = isOpen ? await hooks.duplicates(stream, sample) : undefined;
  const held = isBase ? hooks.held(sample) : undefined;
  const facts = {
    kind,
    present: isPresent,
    stored: isStored,
    dataBytes: sample?.data_bytes ?? layer.data_bytes,
    chunkBytes,
    fingerprinted: layerId !== undefined,
    ...compressionBy(sample),
  };
  const when = (how: 'together' | 'alone') => ({ ...facts, duplicates: duplicates?.[how], held: held?.[how] });
  return { facts: when('together'), factsAlone: when('alone'), published };
}

/** A migration that is to follow takes the layer into use; a plan only looks. */
async function isInStore(
  { layers, clock }: StepDeps,
  { namespace, planOnly }: Pick<MigrationRecord, 'namespace' | 'planOnly'>,
  layerId: string,
): Promise<boolean> {
  if (planOnly) return (await layers.find(namespace, layerId)) !== undefined;
  return layers.use(namespace, layerId, clock.nowMs());
}
