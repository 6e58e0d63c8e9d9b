import type { LayerTransfer } from '../../core/api/tasks.ts';
import { basesOf } from '../../core/disks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { VmRecord } from '../../core/records.ts';

/** A VM’s layers as transfers, disk after disk, each bottom first. Throws PLAN_MISSING before it is planned. */
export function chainOf({ name, surveyed, layers }: VmRecord): LayerTransfer[] {
  if (surveyed === undefined || layers === undefined)
    throw new LayerMoverError('PLAN_MISSING', `the layers of ${name} are not planned yet`);
  return layers.map(({ stream, treatment, stored, published }, depth) => {
    const layer = surveyed[depth]!;
    const from = published ? { published } : {};
    return { stream, vm: name, depth, treatment, stored, ...from, layer, parent: layer.parent };
  });
}

/**
 * The base layers that must reach the destination, in the order of their turns: each once, at the VM whose host sends it.
 * Where a plan tells no turns they go from the first VM that brings them, parents first.
 */
export function baseLayers(gang: readonly VmRecord[]): LayerTransfer[] {
  const found = new Map<string, { turn: number | undefined; transfer: LayerTransfer }>();
  for (const vm of gang) {
    for (const transfer of basesOf(chainOf(vm))) {
      const turn = vm.layers?.[transfer.depth]?.turn;
      if (transfer.treatment === 'skip') continue;
      if (turn !== undefined || !found.has(transfer.stream)) found.set(transfer.stream, { turn, transfer });
    }
  }
  return [...found.values()].sort((a, b) => (a.turn ?? 0) - (b.turn ?? 0)).map(({ transfer }) => transfer);
}

/**
 * VMs in the order in which the last base layers that they wait for have their turns: so few of them move at a time that none should
 * wait for one that comes late.
 */
export function inOrderOfBases(gang: readonly VmRecord[]): VmRecord[] {
  const turns = new Map(baseLayers(gang).map(({ stream }, turn) => [stream, turn]));
  const last = (vm: VmRecord) => Math.max(-1, ...basesOf(chainOf(vm)).map(({ stream }) => turns.get(stream) ?? -1));
  return gang.toSorted((a, b) => last(a) - last(b));
}

/** Base layers that the agent of `host` pushes: what the store has nobody pushes. */
export function seedsOf(gang: readonly VmRecord[], host: string): LayerTransfer[] {
  const here = new Set(gang.filter((vm) => vm.source === host).map((vm) => vm.name));
  return baseLayers(gang).filter((layer) => !layer.stored && here.has(layer.vm ?? ''));
}
