import type { SurveyedLayer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { bodyInvalid } from '../rest/check.ts';

interface SurveyedVm {
  readonly name: string;
  readonly layers: readonly SurveyedLayer[];
}

/**
 * What a survey found, none for other tasks. Throws BODY_INVALID if it is not about each VM that was asked for once, or
 * if a layer below the top has no id or does not name the layer below it as its parent.
 */
export function surveyedVms(input: TaskInput, result: TaskResult): readonly SurveyedVm[] {
  if (input.kind !== 'survey' || result.kind !== 'survey') return [];
  const asked = input.vms.map((vm) => vm.name).sort();
  const found = result.vms.map((vm) => vm.name).sort();
  if (asked.join() !== found.join()) throw bodyInvalid(`the survey is of ${found.join()}, not of ${asked.join()}`);
  for (const vm of result.vms) assertChain(vm);
  return result.vms;
}

function assertChain({ name, layers }: SurveyedVm): void {
  layers.forEach(({ parent, layer_id }, depth) => {
    const below = depth === 0 ? null : layers[depth - 1]!.layer_id;
    if (parent !== below) throw bodyInvalid(`layer ${depth} of ${name} does not lie on layer ${depth - 1}`);
    if (layer_id === undefined && depth < layers.length - 1)
      throw bodyInvalid(`layer ${depth} of ${name} has no id, but others lie on it`);
  });
}
