import type { SurveyedLayer } from '../../core/api/tasks.ts';
import { type Disk, disksOf } from '../../core/disks.ts';
import { limits } from '../../core/limits.ts';
import { bodyInvalid } from '../rest/check.ts';

interface Named {
  readonly name: string;
}

/**
 * Throws BODY_INVALID unless a survey is of each VM that was asked for, once, and each layer names the one below it as its
 * parent and, unless it is the top one, has an id.
 */
export function assertSurvey(
  asked: readonly Named[],
  found: readonly (Named & { readonly layers: readonly SurveyedLayer[] })[],
): void {
  if (namesOf(asked) !== namesOf(found))
    throw bodyInvalid(`the survey is of ${namesOf(found)}, not of ${namesOf(asked)}`);
  for (const vm of found) assertDisks(vm.name, disksOf(vm.layers));
}

function assertDisks(vm: string, disks: readonly Disk<SurveyedLayer>[]): void {
  const names = new Set(disks.map(({ disk }) => disk));
  if (disks.length > limits.vm_disks_max) throw bodyInvalid(`${vm} has more than ${limits.vm_disks_max} disks`);
  if (names.size < disks.length || (names.has(undefined) && names.size > 1))
    throw bodyInvalid(`the layers of ${vm} do not tell its disks apart`);
  for (const { layers } of disks) assertChain(vm, layers);
}

/** Throws BODY_INVALID unless each layer is a base layer, comes once, and comes after its parent. */
export function assertRegistered(layers: readonly (SurveyedLayer & { readonly layer_id: string })[]): void {
  const known = new Set<string | null>([null]);
  for (const { layer_id, parent, kind, name } of layers) {
    if (kind === 'ud') throw bodyInvalid(`${name} is user data: it is no base layer`);
    if (known.has(layer_id)) throw bodyInvalid(`${layer_id} comes twice`);
    if (!known.has(parent)) throw bodyInvalid(`${layer_id} lies on a layer that does not come before it`);
    known.add(layer_id);
  }
}

function namesOf(vms: readonly Named[]): string {
  return vms
    .map((vm) => vm.name)
    .sort()
    .join();
}

function assertChain(vm: string, layers: readonly SurveyedLayer[]): void {
  layers.forEach(({ parent, layer_id }, depth) => {
    const below = depth === 0 ? null : layers[depth - 1]!.layer_id;
    if (parent !== below) throw bodyInvalid(`layer ${depth} of ${vm} does not lie on layer ${depth - 1}`);
    if (layer_id === undefined && depth < layers.length - 1)
      throw bodyInvalid(`layer ${depth} of ${vm} has no id, but others lie on it`);
  });
}
