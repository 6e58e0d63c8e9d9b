import type { LinkRates, MigrationForecast } from '../../core/api/forecast.ts';
import { disksOf, ofDisk, topStream } from '../../core/disks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Forecast } from '../../core/planner/forecast.ts';
import { forecastOf } from '../../core/planner/forecast.ts';
import type { Sending } from '../../core/planner/gang.ts';
import type { Rates } from '../../core/planner/rates.ts';
import type { VmRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { movingGangOf, requireRunning } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import { baseLayers, inOrderOfBases, seedsOf } from './gang.ts';
import type { InputOf } from './input.ts';
import { type ExpectedPause, pauseViews } from './pauses.ts';
import { planStreams } from './plan-streams.ts';
import { plannedLayer } from './planned-layer.ts';
import { isRegistration, planRegistration } from './registration.ts';
import { layersOf, type PlannedStream } from './streams.ts';

/**
 * Decides what is done with each layer of each VM, who must seed base layers, and in which order VMs move; keeps what it expects of that. Nothing more
 * happens in a migration that is to be planned alone.
 */
export async function plan(deps: StepDeps, { migration, run }: InputOf<'plan'>) {
  const record = await requireRunning(deps, migration, run);
  if (isRegistration(record)) return await planRegistration(deps, record);
  const surveyed = await movingGangOf(deps, record);
  const { streams, rates, pauses } = await planStreams(deps, record, surveyed);
  const { sending, ...forecast } = forecastOf({ ...partsOf(streams, pauses), chunkBytes: record.chunkBytes });
  const gang = surveyed.map((vm) => ({ ...vm, layers: layersFor(vm, streams, sending) }));
  for (const vm of gang) await deps.migrations.updateVm(migration, vm, { layers: vm.layers });
  const told = { forecast: { at_ms: deps.clock.nowMs(), ...viewOf(forecast, rates), ...pauseViews(pauses) } };
  await deps.migrations.update(record, ['preparing', 'seeding', 'moving'], told);
  const vms = inOrderOfBases(gang).map(({ name: vm }) => ({ vm }));
  if (record.planOnly) return { seeding: false, seeds: [], vms, only: true };
  for (const { treatment, dataBytes } of gang.flatMap(({ layers }) => layers))
    if (treatment === 'skip') deps.measure('LogicalBytes', dataBytes, treatment);
  const sources = [...new Set(gang.map((vm) => vm.source))];
  const seeds = sources.filter((host) => seedsOf(gang, host).length > 0);
  const seeding = baseLayers(gang).length > 0;
  if (seeding) await changeState(deps, record, ['preparing', 'seeding'], { state: 'seeding' });
  return { seeding, seeds: seeds.map((host) => ({ host })), vms, only: false };
}

/** What rounds after the first take, a running VM's own layer takes, too. */
function partsOf(streams: ReadonlyMap<string, PlannedStream>, pauses: readonly ExpectedPause[]) {
  const all = [...streams.values()].map(({ chosen, ...each }) => ({ ...each, ...chosen }));
  const disksOfVm = (vm: string) => all.filter(({ isBase, vms }) => !isBase && vms[0]!.name === vm).length;
  const laterMs = (vm: string) => (pauses.find((each) => each.vm === vm)?.laterMs ?? 0) / disksOfVm(vm);
  return {
    bases: all.filter(({ isBase, treatment }) => isBase && treatment !== 'skip'),
    tops: all
      .filter(({ isBase }) => !isBase)
      .map(({ vms: [vm], prediction, alone }) => {
        return { vm: vm!.name, host: vm!.host, prediction, alone, laterMs: laterMs(vm!.name) };
      }),
  };
}

/** A base layer has its turn at the first VM of the host that sends it. */
function layersFor(vm: VmRecord, streams: ReadonlyMap<string, PlannedStream>, sending: readonly Sending[]) {
  return disksOf(layersOf(vm)).flatMap(({ disk, layers }) =>
    layers.map((layer, depth) => {
      const name = depth === layers.length - 1 ? topStream(vm.name, disk) : layer.layer_id!;
      const stream = streams.get(name);
      if (stream === undefined) throw new LayerMoverError('PLAN_MISSING', `layer ${name} of ${vm.name} is not planned`);
      const turn = sending.findIndex(({ stream: each }) => each === name);
      const sender = sending[turn]?.vms.find(({ host }) => host === sending[turn]!.host)?.name;
      return { ...ofDisk(disk), ...plannedLayer(stream, sender === vm.name ? turn : undefined) };
    }),
  );
}

function viewOf(forecast: Forecast, rates: ReadonlyMap<string, Rates>): Omit<MigrationForecast, 'at_ms'> {
  const { milliseconds, wireBytes, pulledBytes, costs, oneByOne, eachAlone } = forecast;
  const taken = (of: { milliseconds: number; wireBytes: number }) => {
    return { milliseconds: Math.round(of.milliseconds), wire_bytes: Math.round(of.wireBytes) };
  };
  return {
    ...taken({ milliseconds, wireBytes }),
    pulled_bytes: Math.round(pulledBytes),
    dollars: costs.reduce((sum, { dollars }) => sum + dollars, 0),
    costs: [...costs],
    one_by_one: taken(oneByOne),
    each_alone: taken(eachAlone),
    rates: [...rates].map(([source, { readBack, ...each }]) => {
      return { source: source as LinkRates['source'], ...each, read_back: readBack };
    }),
  };
}
