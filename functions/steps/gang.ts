import type { LayerTransfer } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { VmRecord } from '../../core/records.ts';

/** A VM's chain as transfers, bottom first. Throws PLAN_MISSING before it is planned. */
export function chainOf({ name, surveyed, layers }: VmRecord): LayerTransfer[] {
  if (surveyed === undefined || layers === undefined)
    throw new LayerMoverError('PLAN_MISSING', `the layers of ${name} are not planned yet`);
  return layers.map(({ stream, treatment, stored, published }, depth) => {
    const layer = surveyed[depth]!;
    const from = published ? { published } : {};
    return { stream, vm: name, depth, treatment, stored, ...from, layer, parent: layer.parent };
  });
}

/** The base layers that must reach the destination: each once, at the first VM that brings it, parents first. */
export function baseLayers(gang: readonly VmRecord[]): LayerTransfer[] {
  const found = new Map<string, LayerTransfer>();
  for (const layer of gang.flatMap((vm) => chainOf(vm).slice(0, -1))) {
    if (layer.treatment !== 'skip' && !found.has(layer.stream)) found.set(layer.stream, layer);
  }
  return [...found.values()];
}

/** Those of them that the agent of `host` pushes: what the store has nobody pushes. */
export function seedsOf(gang: readonly VmRecord[], host: string): LayerTransfer[] {
  const here = new Set(gang.filter((vm) => vm.source === host).map((vm) => vm.name));
  return baseLayers(gang).filter((layer) => !layer.stored && here.has(layer.vm ?? ''));
}
