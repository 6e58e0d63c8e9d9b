import type { SurveyedLayer } from '../../core/api/tasks.ts';
import { disksOf, topLayer, topStream } from '../../core/disks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Chosen } from '../../core/planner/choose.ts';
import type { LayerFacts } from '../../core/planner/facts.ts';
import type { Prediction } from '../../core/planner/predict.ts';
import type { VmRecord } from '../../core/records.ts';

/** A layer of a gang, however many of its VMs bring it: one transfer. */
export interface Stream {
  readonly stream: string;
  readonly layer: SurveyedLayer;
  readonly isBase: boolean;
  /** The VMs that bring it, each with its host, once for each of its disks that lie on it; a VM's own layer has the one. */
  readonly vms: readonly { readonly name: string; readonly host: string }[];
}

/** A layer of a gang with what is known of it and what is done with it. */
export interface PlannedStream extends Stream {
  readonly facts: LayerFacts;
  /** It is the public namespace's store that has it. */
  readonly published: boolean;
  readonly chosen: Chosen;
  /** What that takes if only this layer and those that it lies on are moved. */
  readonly alone: Prediction;
}

/**
 * What a gang consists of, each layer once, in the order in which base layers go: after their parents, those of more VMs
 * first, large ones before small ones, as nothing else is done while the destination finishes the last one; then the VMs' own.
 */
export function streamsOf(gang: readonly VmRecord[]): Stream[] {
  const bases = new Map<string, Stream>();
  const tops: Stream[] = [];
  for (const vm of gang) {
    const by = { name: vm.name, host: vm.source };
    for (const { disk, layers } of disksOf(layersOf(vm))) {
      for (const layer of layers.slice(0, -1)) {
        const stream = layer.layer_id!;
        const vms = [...(bases.get(stream)?.vms ?? []), by];
        bases.set(stream, { stream, layer, isBase: true, vms });
      }
      tops.push({ stream: topStream(vm.name, disk), layer: topLayer({ layers }), isBase: false, vms: [by] });
    }
  }
  return [...inOrder(bases), ...tops];
}

function inOrder(layers: ReadonlyMap<string, Stream>): Stream[] {
  const left = new Map(layers);
  const ordered: Stream[] = [];
  while (left.size > 0) {
    const ready = [...left.values()].filter(({ layer }) => layer.parent === null || !left.has(layer.parent));
    const next = ready.reduce((first, each) => (isSooner(each, first) ? each : first));
    ordered.push(next);
    left.delete(next.stream);
  }
  return ordered;
}

function isSooner(a: Stream, b: Stream): boolean {
  if (a.vms.length !== b.vms.length) return a.vms.length > b.vms.length;
  return a.layer.data_bytes > b.layer.data_bytes;
}

export function layersOf({ name, surveyed }: VmRecord): readonly SurveyedLayer[] {
  if (surveyed === undefined) throw new LayerMoverError('SURVEY_MISSING', `${name} was not surveyed`);
  return surveyed;
}
