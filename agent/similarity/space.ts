import { chunkLength, type Geometry } from '../../core/chunk.ts';
import { ABSENT, DATA } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestStore } from '../manifests/store.ts';

/** What VMs take, in bytes of data, before any compression. */
export interface Space {
  /** Each a disk of its own. */
  readonly flat: number;
  /** One operating system for all that have it; each its own working environment and data. */
  readonly two: number;
  /** One operating system, one working environment for all that have it; each its own data. */
  readonly three: number;
}

export interface SpaceJob {
  readonly layers: readonly { readonly layerId: string; readonly dataBytes: number }[];
  /** Numbers of each VM's layers, bottom first. */
  readonly vms: readonly (readonly number[])[];
  /** How many VMs there are of each. */
  readonly each: number;
  readonly manifests: ManifestStore;
  readonly signal: AbortSignal;
}

/**
 * The space that VMs take flat, in two and in three layers. The bottom layer of a chain is the operating system, the next
 * one the working environment, what is above the user's data; a disk without layers shares nothing with any other.
 * Errors: those of ManifestStore.segment, the signal's reason.
 */
export async function spaceOf(job: SpaceJob): Promise<Space> {
  const { vms, each } = job;
  const sumAbove = async (depth: number) => {
    let sum = 0;
    for (const vm of vms) sum += await visibleBytes(job, vm.slice(vm.length > 1 ? depth : 0));
    return each * sum;
  };
  const shared = (depth: number) => {
    const bases = new Set(vms.flatMap((vm) => (vm.length > 1 ? vm.slice(0, depth) : [])));
    return [...bases].reduce((sum, layer) => sum + job.layers[layer]!.dataBytes, 0);
  };
  return {
    flat: await sumAbove(0),
    two: shared(1) + (await sumAbove(1)),
    three: shared(2) + (await sumAbove(2)),
  };
}

/** Bytes of the data chunks that are seen through these layers, bottom first, of the topmost one's disk. */
async function visibleBytes({ layers, manifests, signal }: SpaceJob, chain: readonly number[]): Promise<number> {
  const ids = chain.map((layer) => layers[layer]!.layerId).reverse();
  const roots = await Promise.all(ids.map(async (id) => (await manifests.root(id))!));
  const geometry = roots[0]?.geometry;
  let bytes = 0;
  for (let index = 0; geometry !== undefined && index < geometry.segments; index++) {
    signal.throwIfAborted();
    const own = ids.filter((_, depth) => index < roots[depth]!.geometry.segments);
    const segments = await Promise.all(own.map((id) => manifests.segment(id, index)));
    bytes += dataBytes(
      geometry,
      index,
      segments.map(({ states }) => states),
    );
  }
  return bytes;
}

/** `states` of one segment, topmost layer first: the first that is not absent is seen. */
function dataBytes(geometry: Geometry, index: number, states: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const chunk of states[0]!.keys()) {
    const seen = states.find((layer) => (layer[chunk] ?? ABSENT) !== ABSENT);
    if (seen?.[chunk] === DATA) bytes += chunkLength(geometry, index * limits.segment_chunks + chunk);
  }
  return bytes;
}
