import { basename } from 'node:path';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import type { Container, SurveyedLayer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { type Kind, kindsOf } from '../../core/kinds.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { assertNotHeld, assertNotWritten } from '../disk/held.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import { RAW_CLUSTER_BYTES } from '../disk/limits.ts';
import type { VmImage } from '../images/vm-files.ts';
import { type Examined, examine } from '../live/examine.ts';
import { writtenBytes } from '../live/measure.ts';
import { runningImage } from '../live/sessions.ts';
import { connectQmp } from '../qemu/qmp.ts';
import { containerOf, dataBytesOf, nameOf, topOf, withChain } from './chains.ts';
import { knowLayer } from './know.ts';
import { Look } from './look.ts';
import type { TaskHost, TaskRun } from './task.ts';

type SurveyInput = Extract<TaskInput, { kind: 'survey' }>;

/**
 * What the VMs to be moved consist of. Base layers that are not in the catalog are read and fingerprinted; user data
 * only if it is to be deduplicated, and never of a VM that runs.
 * Errors: VM_UNKNOWN, VM_NOT_RUNNING, IMAGE_HELD, KINDS_MISMATCH and those of openChain, examine, scanLayer.
 */
export async function survey(host: TaskHost, run: TaskRun, input: SurveyInput): Promise<TaskResult> {
  const vms = [];
  const look = new Look(host, run, input);
  for (const { name, kinds } of input.vms) {
    const image = await host.images.find(name);
    const layers = input.live
      ? await surveyRunning(host, run, input, image, kinds, look)
      : await withChain(host.images, { path: image.top }, async (chain) => {
          await assertNotHeld(chain.layers, host.images.files);
          const found = await surveyChain(host, run, input, chain, kindsFor(chain.layers.length, kinds, image));
          await lookInto(look, chain.layers, found.slice(0, -1));
          await look.into(`ud:${name}`, topOf(chain), found.at(-1)!);
          return found;
        });
    vms.push({ name, layers });
  }
  const { writes } = look;
  return { kind: 'survey', vms, samples: look.samples(), writes, rates: await look.rates(input.migration) };
}

/** Base layers that were surveyed, bottom first. */
async function lookInto(look: Look, layers: readonly DiskLayer[], surveyed: readonly SurveyedLayer[]): Promise<void> {
  for (const [depth, found] of surveyed.entries()) await look.into(found.layer_id!, layers[depth]!, found);
}

/** Of the top layer QEMU tells; those below lie still. */
async function surveyRunning(
  host: TaskHost,
  run: TaskRun,
  input: SurveyInput,
  image: VmImage,
  asked: readonly Kind[] | undefined,
  look: Look,
) {
  const vm = runningImage(image);
  if (!input.plan_only) await host.live.release(vm.name);
  const qmp = await connectQmp(unixSocket(vm.running.qmp), { clock: host.clock, signal: run.signal });
  try {
    const { disk, bases } = await examine(qmp, vm, host.images, run.signal);
    try {
      await assertNotWritten(bases.layers, host.images.files);
      const kinds = kindsFor(bases.layers.length + 1, asked, image);
      const written = () => writtenBytes(qmp, disk.qdev, run.signal);
      const below = await look.atWrites(vm.name, written, async () => {
        const found = await surveyBases(host, run, input, bases.layers, kinds);
        await lookInto(look, bases.layers, found);
        return found;
      });
      const parent = below.at(-1)?.layer_id ?? null;
      return [...below, { ...factsOfRunning(vm.top, disk), kind: kinds.at(-1)!, parent }];
    } finally {
      await bases.close();
    }
  } finally {
    qmp.close();
  }
}

/** The migration's word, else the kinds the VM arrived with, else what its place in the chain says. */
function kindsFor(depth: number, asked: readonly Kind[] | undefined, { kinds }: VmImage): Kind[] {
  return kindsOf(depth, asked ?? (kinds?.length === depth ? kinds : undefined));
}

async function surveyChain(host: TaskHost, run: TaskRun, input: SurveyInput, chain: Chain, kinds: readonly Kind[]) {
  if (input.policy === 'dedup') return surveyKnown(host, run, input, chain.layers, kinds, 'top');
  const bases = await surveyBases(host, run, input, chain.layers.slice(0, -1), kinds);
  const parent = bases.at(-1)?.layer_id ?? null;
  return [...bases, { ...(await facts(topOf(chain))), kind: kinds.at(-1)!, parent }];
}

function surveyBases(
  host: TaskHost,
  run: TaskRun,
  input: SurveyInput,
  layers: readonly DiskLayer[],
  kinds: readonly Kind[],
) {
  return surveyKnown(host, run, input, layers, kinds, 'base');
}

/** Layers that are known, or are read to know them, bottom first. `last`: the role of the last one. */
async function surveyKnown(
  host: TaskHost,
  run: TaskRun,
  { migration, chunk_bytes: chunkBytes }: SurveyInput,
  layers: readonly DiskLayer[],
  kinds: readonly Kind[],
  last: KnownLayer['role'],
): Promise<SurveyedLayer[]> {
  const surveyed: SurveyedLayer[] = [];
  let below: KnownLayer | undefined;
  for (const [depth, layer] of layers.entries()) {
    const kind = kinds[depth]!;
    const parent: string | null = below?.layerId ?? null;
    const role = depth === layers.length - 1 ? last : 'base';
    const wanted = { layer, below, chunkBytes, role, kind, migration } as const;
    below = await host.places.source(run.signal, () => knowLayer(host, wanted, run.signal));
    surveyed.push({ ...viewOf(below), kind, parent });
  }
  return surveyed;
}

async function facts(layer: DiskLayer) {
  return {
    name: nameOf(layer),
    virtual_bytes: layer.virtualBytes,
    data_bytes: await dataBytesOf(layer),
    container: containerOf(layer),
  };
}

function factsOfRunning(path: string, { driver, virtualBytes, fileBytes, clusterBytes, version }: Examined['disk']) {
  const raw: Container = { format: 'raw', cluster_bytes: RAW_CLUSTER_BYTES };
  return {
    name: basename(path),
    virtual_bytes: virtualBytes,
    data_bytes: Math.min(fileBytes, virtualBytes),
    container: driver === 'raw' ? raw : ({ format: 'qcow2', cluster_bytes: clusterBytes, version } satisfies Container),
  };
}

function viewOf({ layerId, name, virtualBytes, dataBytes, container }: KnownLayer) {
  return { layer_id: layerId, name, virtual_bytes: virtualBytes, data_bytes: dataBytes, container };
}
