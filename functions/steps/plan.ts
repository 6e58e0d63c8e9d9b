import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { SurveyedLayer } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { type Choice, chooseTreatment, type PlannedLayer } from '../../core/plan.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { movingGangOf, requireRunning } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import { baseLayers, seedsOf } from './gang.ts';
import type { InputOf } from './input.ts';
import { isRegistration, planRegistration } from './registration.ts';

/** What the namespace knows of the layers of a gang, by layer id. */
interface Known {
  /** The destination has it in its image folder. */
  readonly present: ReadonlySet<string>;
  /** The store has all of it. */
  readonly stored: ReadonlySet<string>;
  /** The store has not, but the public namespace's has. */
  readonly published: ReadonlySet<string>;
  /** How many VMs bring it as a base layer. */
  readonly bringers: ReadonlyMap<string, number>;
}

/** Decides what is done with each layer of each VM, and who must seed base layers. */
export async function plan(deps: StepDeps, { migration, run }: InputOf<'plan'>) {
  const record = await requireRunning(deps, migration, run);
  if (isRegistration(record)) return await planRegistration(deps, record);
  const surveyed = await movingGangOf(deps, record);
  const known = await lookUp(deps, record, surveyed);
  const gang = surveyed.map((vm) => ({ ...vm, layers: planVm(record, vm, known) }));
  for (const vm of gang) await deps.migrations.updateVm(migration, vm, { layers: vm.layers });
  for (const { treatment, dataBytes } of gang.flatMap(({ layers }) => layers))
    if (treatment === 'skip') deps.measure('LogicalBytes', dataBytes, treatment);
  const sources = [...new Set(gang.map((vm) => vm.source))];
  const seeds = sources.filter((host) => seedsOf(gang, host).length > 0);
  const seeding = baseLayers(gang).length > 0;
  if (seeding) await changeState(deps, record, ['preparing', 'seeding'], { state: 'seeding' });
  return { seeding, seeds: seeds.map((host) => ({ host })) };
}

async function lookUp(deps: StepDeps, record: MigrationRecord, gang: readonly VmRecord[]): Promise<Known> {
  const bases = gang.flatMap((vm) =>
    layersOf(vm)
      .slice(0, -1)
      .map((layer) => layer.layer_id!),
  );
  const bringers = new Map<string, number>();
  for (const id of bases) bringers.set(id, (bringers.get(id) ?? 0) + 1);
  const tops = gang.map((vm) => layersOf(vm).at(-1)?.layer_id).filter((id) => id !== undefined);
  const stored = new Set<string>();
  const published = new Set<string>();
  for (const id of new Set([...bases, ...tops])) {
    const nowMs = deps.clock.nowMs();
    if (await deps.layers.use(record.namespace, id, nowMs)) stored.add(id);
    else if (bringers.has(id) && (await deps.layers.use(PUBLIC_NAMESPACE, id, nowMs))) published.add(id);
  }
  return {
    bringers,
    stored,
    published,
    present: await deps.layers.present(record.namespace, record.to, [...bringers.keys()]),
  };
}

function planVm(record: MigrationRecord, vm: VmRecord, known: Known): PlannedLayer[] {
  const layers = layersOf(vm);
  return layers.map((layer, depth) => {
    const base = depth < layers.length - 1;
    return planLayer(
      record,
      layer,
      known,
      base ? { stream: layer.layer_id!, base } : { stream: `ud:${vm.name}`, base },
    );
  });
}

/** Nobody can look up what changes while it is copied, whatever the policy. */
const CHANGING: Choice = { treatment: 'direct', reason: 'the running VM writes to it: it goes in rounds' };

/** The top layer is never skipped, for the VM writes to it, and never shared. */
function planLayer(
  { policy, live }: MigrationRecord,
  layer: SurveyedLayer,
  { present, stored, published, bringers }: Known,
  { stream, base }: { stream: string; base: boolean },
): PlannedLayer {
  const isPublished = base && published.has(stream);
  const isStored = layer.layer_id !== undefined && (stored.has(layer.layer_id) || isPublished);
  const isPresent = base && present.has(stream);
  const choice =
    live !== undefined && !base
      ? CHANGING
      : chooseTreatment({ kind: layer.kind, present: isPresent, stored: isStored, policy });
  return {
    ...choice,
    stream,
    kind: layer.kind,
    name: layer.name,
    ...(layer.layer_id === undefined ? {} : { layerId: layer.layer_id }),
    virtualBytes: layer.virtual_bytes,
    dataBytes: layer.data_bytes,
    shared: base && (bringers.get(stream) ?? 0) > 1,
    stored: isStored && choice.treatment === 'dedup',
    ...(isPublished && choice.treatment === 'dedup' ? { published: true } : {}),
  };
}

function layersOf({ name, surveyed }: VmRecord): readonly SurveyedLayer[] {
  if (surveyed === undefined) throw new LayerMoverError('SURVEY_MISSING', `${name} was not surveyed`);
  return surveyed;
}
