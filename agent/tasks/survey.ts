import type { SurveyedLayer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { type Kind, kindsOf } from '../../core/kinds.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { assertNotHeld } from '../disk/held.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import type { VmImage } from '../images/vm-files.ts';
import { containerOf, dataBytesOf, nameOf, withChain } from './chains.ts';
import { knowLayer } from './know.ts';
import type { TaskHost, TaskRun } from './task.ts';

type SurveyInput = Extract<TaskInput, { kind: 'survey' }>;

/**
 * What the VMs to be moved consist of. Base layers that are not in the catalog are read and fingerprinted; user data
 * only if it is to be deduplicated. Errors: VM_UNKNOWN, IMAGE_HELD, KINDS_MISMATCH and those of openChain, scanLayer.
 */
export async function survey(host: TaskHost, run: TaskRun, input: SurveyInput): Promise<TaskResult> {
  const vms = [];
  for (const { name, kinds } of input.vms) {
    const image = await host.images.find(name);
    const layers = await withChain(host.images, { path: image.top }, async (chain) => {
      await assertNotHeld(chain.layers, host.images.files);
      return surveyChain(host, run, input, chain, kindsFor(chain, kinds, image));
    });
    vms.push({ name, layers });
  }
  return { kind: 'survey', vms };
}

/** The migration's word, else the kinds the VM arrived with, else what its place in the chain says. */
function kindsFor(chain: Chain, asked: readonly Kind[] | undefined, { kinds }: VmImage): Kind[] {
  const depth = chain.layers.length;
  return kindsOf(depth, asked ?? (kinds?.length === depth ? kinds : undefined));
}

async function surveyChain(host: TaskHost, run: TaskRun, input: SurveyInput, chain: Chain, kinds: readonly Kind[]) {
  const { migration, chunk_bytes: chunkBytes, policy } = input;
  const surveyed: SurveyedLayer[] = [];
  let below: KnownLayer | undefined;
  for (const [depth, layer] of chain.layers.entries()) {
    const kind = kinds[depth]!;
    const role = depth === chain.layers.length - 1 ? 'top' : 'base';
    const parent = below?.layerId ?? null;
    if (role === 'top' && policy !== 'dedup') {
      surveyed.push({ ...(await facts(layer)), kind, parent });
    } else {
      const wanted = { layer, below, chunkBytes, role, kind, migration } as const;
      below = await host.places.source(run.signal, () => knowLayer(host, wanted, run.signal));
      surveyed.push({ ...viewOf(below), kind, parent });
    }
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

function viewOf({ layerId, name, virtualBytes, dataBytes, container }: KnownLayer) {
  return { layer_id: layerId, name, virtual_bytes: virtualBytes, data_bytes: dataBytes, container };
}
