import { basename } from 'node:path';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import type { Container, SurveyedLayer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { ofDisk, topStream } from '../../core/disks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { type Kind, kindsOf, kindsOfDisks } from '../../core/kinds.ts';
import { limits } from '../../core/limits.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { assertNotHeld, assertNotWritten } from '../disk/held.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import { RAW_CLUSTER_BYTES } from '../disk/limits.ts';
import type { VmImage } from '../images/vm-files.ts';
import { type ExaminedDisk, examine } from '../live/examine.ts';
import { writtenBytes } from '../live/measure.ts';
import { runningImage } from '../live/running-image.ts';
import { connectQmp } from '../qemu/qmp.ts';
import { containerOf, dataBytesOf, nameOf, topOf, withChains } from './chains.ts';
import { knowLayer } from './know.ts';
import { Look } from './look.ts';
import type { TaskHost, TaskRun } from './task.ts';

type SurveyInput = Extract<TaskInput, { kind: 'survey' }>;

/**
 * What the VMs to be moved consist of, disk after disk. Base layers that are not in the catalog are read and fingerprinted;
 * user data only if it is to be deduplicated, and never of a VM that runs.
 * Errors: VM_UNKNOWN, VM_NOT_RUNNING, VM_TOO_LARGE, IMAGE_HELD, KINDS_MISMATCH and those of openChain, examine, scanLayer.
 */
export async function survey(host: TaskHost, run: TaskRun, input: SurveyInput): Promise<TaskResult> {
  const vms = [];
  const look = new Look(host, run, input);
  for (const { name, kinds } of input.vms) {
    const image = await host.images.find(name);
    const disks = await (input.live ? surveyRunning : surveyStopped)(host, run, input, image, kinds, look);
    const layers = disks.flatMap((found, at) => found.map((layer) => ({ ...ofDisk(image.disks[at]!.disk), ...layer })));
    if (layers.length > limits.vm_layers_max) throw tooLarge(name, layers.length);
    vms.push({ name, layers });
  }
  const { writes } = look;
  return { kind: 'survey', vms, samples: look.samples(), writes, rates: await look.rates(input.migration) };
}

/** Base layers that were surveyed, bottom first. */
async function lookInto(look: Look, layers: readonly DiskLayer[], surveyed: readonly SurveyedLayer[]): Promise<void> {
  for (const [depth, found] of surveyed.entries()) await look.into(found.layer_id!, layers[depth]!, found);
}

function surveyStopped(
  host: TaskHost,
  run: TaskRun,
  input: SurveyInput,
  image: VmImage,
  asked: readonly Kind[] | undefined,
  look: Look,
): Promise<SurveyedLayer[][]> {
  const tops = image.disks.map(({ top }) => top);
  return withChains(host.images, tops, async (chains) => {
    for (const { layers } of chains) await assertNotHeld(layers, host.images.files);
    const depths = chains.map(({ layers }) => layers.length);
    const kinds = kindsFor(depths, asked, image);
    const disks: SurveyedLayer[][] = [];
    for (const [at, chain] of chains.entries()) {
      const found = await surveyChain(host, run, input, chain, kinds[at]!);
      await lookInto(look, chain.layers, found.slice(0, -1));
      await look.into(topStream(image.name, image.disks[at]!.disk), topOf(chain), found.at(-1)!);
      disks.push(found);
    }
    return disks;
  });
}

/** Of the top layers QEMU tells; those below lie still. */
async function surveyRunning(
  host: TaskHost,
  run: TaskRun,
  input: SurveyInput,
  image: VmImage,
  asked: readonly Kind[] | undefined,
  look: Look,
): Promise<SurveyedLayer[][]> {
  const vm = runningImage(image);
  if (!input.plan_only) await host.live.release(vm.name);
  const qmp = await connectQmp(unixSocket(vm.qmp), { clock: host.clock, signal: run.signal });
  try {
    return await examine(qmp, vm, host.images, run.signal, async (found) => {
      for (const { bases } of found) await assertNotWritten(bases.layers, host.images.files);
      const depths = found.map(({ bases }) => bases.layers.length + 1);
      const kinds = kindsFor(depths, asked, image);
      const qdevs = found.map(({ disk }) => disk.qdev);
      const written = () => writtenBytes(qmp, qdevs, run.signal);
      return look.atWrites(vm.name, written, async () => {
        const disks: SurveyedLayer[][] = [];
        for (const [at, disk] of found.entries())
          disks.push(await surveyDisk(host, run, input, disk, kinds[at]!, look));
        return disks;
      });
    });
  } finally {
    qmp.close();
  }
}

async function surveyDisk(
  host: TaskHost,
  run: TaskRun,
  input: SurveyInput,
  { image, disk, bases }: ExaminedDisk,
  kinds: readonly Kind[],
  look: Look,
): Promise<SurveyedLayer[]> {
  const below = await surveyBases(host, run, input, bases.layers, kinds);
  await lookInto(look, bases.layers, below);
  const parent = below.at(-1)?.layer_id ?? null;
  return [...below, { ...factsOfRunning(image.top, disk), kind: kinds.at(-1)!, parent }];
}

/** The migration's word, else the kinds each disk arrived with, else what a layer's place in its chain says. */
function kindsFor(depths: readonly number[], asked: readonly Kind[] | undefined, { disks }: VmImage): Kind[][] {
  if (asked !== undefined) return kindsOfDisks(depths, asked);
  return depths.map((depth, at) => {
    const kinds = disks[at]!.kinds;
    return kindsOf(depth, kinds?.length === depth ? kinds : undefined);
  });
}

function tooLarge(vm: string, layers: number): LayerMoverError {
  return new LayerMoverError('VM_TOO_LARGE', `${vm} has ${layers} layers on all of its disks`, {
    hint: `${limits.vm_layers_max} can be moved: merge some with \`qemu-img commit\` or \`rebase\``,
    data: { vm, layers, limit: limits.vm_layers_max },
  });
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

function factsOfRunning(
  path: string,
  { driver, virtualBytes, fileBytes, clusterBytes, version }: ExaminedDisk['disk'],
) {
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
