import type { LayerTransfer, SurveyedLayer } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { fromHex, isNone, sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { decodeRoot } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import type { Task } from '../../core/task.ts';
import { requireTask } from '../agents/access.ts';
import { storeOf } from '../agents/store-of.ts';
import { takeIntoUse } from '../packs/in-use.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { TaskDeps } from './deps.ts';
import { requirePushed } from './pushed.ts';

/**
 * Records that the namespace's store, or the public one if it is published, has all of a layer. If a rebuild took something out while it was sent, what was
 * found there at first may be gone by now: then it is not recorded, and the next migration asks for each chunk again.
 * Throws BODY_INVALID if its root says otherwise, OBJECT_LEAVING if garbage collection is removing that.
 */
export async function recordLayer(deps: TaskDeps, call: Call<'recordLayer'>) {
  const { attempt, layer_id: layerId, layer, chunk_bytes } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  const pushed = requirePushed(task.input, (each) => isOf(each, layerId, layer), layerId);
  if (pushed.treatment !== 'dedup')
    throw bodyInvalid(`${layerId} does not go to the namespace: it goes ${pushed.treatment}`);
  const store = storeOf(task);
  await takeIntoUse(deps, store, 'layers', [layerId]);
  const root = await readRoot(deps, store, layerId);
  const parent = isNone(root.parent) ? null : toHex(root.parent);
  const { virtualBytes, chunkBytes } = root.geometry;
  const said = { parent: layer.parent, virtualBytes: layer.virtual_bytes, chunkBytes: chunk_bytes };
  if (said.parent !== parent || said.virtualBytes !== virtualBytes || said.chunkBytes !== chunkBytes)
    throw bodyInvalid(`${layerId} is not as its root says`, { said, root: { parent, virtualBytes, chunkBytes } });
  const { kind, name } = pushed.layer;
  const dataBytes = layer.data_bytes;
  const recordedMs = deps.clock.nowMs();
  const record = { layerId, parent, kind, name, virtualBytes, chunkBytes, dataBytes, recordedMs };
  const beganMs = await runBegan(deps, task);
  const isSure = async () => (await deps.layers.removedMs(store)) < beganMs;
  if (!(await isSure())) return { ok: true as const };
  await deps.layers.record(store, record);
  if (!(await isSure())) await deps.layers.erase(store, layerId);
  return { ok: true as const };
}

/** A base layer's stream is its id. A VM's own, whose id is known once it was surveyed, goes by the name of its disk. */
function isOf({ stream, layer }: LayerTransfer, layerId: string, { disk }: SurveyedLayer): boolean {
  return stream === layerId || (stream.startsWith('ud:') && layer.disk === disk);
}

/** When the task's run of its migration began to lease VMs, before anything of it was sent; of a registration, when that was asked for. */
async function runBegan({ migrations }: TaskDeps, { migration, input }: Task): Promise<number> {
  const record = await migrations.find(migration);
  if (record?.registration !== undefined) return record.createdMs;
  const vms = await migrations.vms(migration);
  return Math.min(...vms.filter((vm) => vm.run === input.run).map((vm) => vm.startedMs ?? 0));
}

/** The root of a layer, proven by the layer's id. Throws OBJECT_MISSING or FORMAT_REFUSED. */
async function readRoot({ objects }: TaskDeps, namespace: string, layerId: string) {
  const bytes = await objects.get(objectKey(namespaceScope(namespace), 'layers', layerId), {
    bytesMax: limits.root_bytes_max,
  });
  if (!sameDigest(sha256(bytes), fromHex(layerId)))
    throw new LayerMoverError('FORMAT_REFUSED', `the object is not the root of layer ${layerId}`);
  return decodeRoot(bytes);
}
