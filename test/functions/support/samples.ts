import type { LayerTransfer, SurveyedLayer, TaskInput } from '../../../core/api/tasks.ts';
import { sha256, toHex } from '../../../core/fingerprint.ts';
import type { Receipt } from '../../../core/receipt.ts';
import type { Treatment } from '../../../core/treatments.ts';
import { MIGRATION } from './cloud.ts';

export function id(name: string): string {
  return toHex(sha256(Buffer.from(name)));
}

export function surveyed(kind: 'os' | 'we' | 'ud', name: string, parent: string | null): SurveyedLayer {
  return {
    kind,
    name: `${name}.qcow2`,
    ...(kind === 'ud' ? {} : { layer_id: id(name) }),
    parent,
    virtual_bytes: 1 << 30,
    data_bytes: kind === 'ud' ? 1 << 20 : 1 << 25,
    container: { format: 'qcow2', cluster_bytes: 65_536, version: 3 },
  };
}

/** A chain of three: OS and working environment, which several VMs may share, and user data. */
export function chain(vm: string, we = 'lamp'): SurveyedLayer[] {
  return [surveyed('os', 'debian', null), surveyed('we', we, id('debian')), surveyed('ud', vm, id(we))];
}

export function transfer(stream: string, treatment: Treatment, layer: SurveyedLayer, vm = 'web-1'): LayerTransfer {
  return { stream, vm, depth: 0, treatment, stored: false, layer, parent: layer.parent };
}

/** A seed that publishes, as a registration's is. */
export function publishing(name = 'debian') {
  const layer = { ...transfer(id(name), 'dedup', surveyed('os', name, null)), published: true as const };
  return seed([layer]);
}

export function cutover(vm: string, treatment: Treatment = 'direct'): TaskInput {
  const layers = chain(vm).map((layer, depth) => ({
    ...transfer(layer.layer_id ?? `ud:${vm}`, depth < 2 ? 'dedup' : treatment, layer, vm),
    depth,
  }));
  return { kind: 'cutover', migration: MIGRATION, run: 1, chunk_bytes: 65_536, epoch: 0, chain: { vm, layers } };
}

/** Of a VM whose base layers the destination has, unless told. */
export function follow(vm: string, bases: Treatment = 'skip'): Extract<TaskInput, { kind: 'follow' }> {
  const { chain, ...of } = cutover(vm) as Extract<TaskInput, { kind: 'cutover' }>;
  const layers = chain.layers.map((each) => (each.depth < 2 ? { ...each, treatment: bases } : each));
  return { ...of, kind: 'follow', chain: { ...chain, layers } };
}

/** Of these base layers, at the destination. */
export function fetched(
  layers: readonly LayerTransfer[] = [transfer(id('debian'), 'dedup', surveyed('os', 'debian', null))],
) {
  return { ...seed(layers), kind: 'fetch' } satisfies TaskInput;
}

export function seed(
  layers: readonly LayerTransfer[] = [transfer(id('debian'), 'dedup', surveyed('os', 'debian', null))],
) {
  return { kind: 'seed', migration: MIGRATION, run: 1, chunk_bytes: 65_536, layers: [...layers] } satisfies TaskInput;
}

export function survey(...vms: string[]): TaskInput {
  return {
    kind: 'survey',
    migration: MIGRATION,
    run: 1,
    chunk_bytes: 65_536,
    policy: 'auto',
    vms: vms.map((name) => ({ name })),
  };
}

export function receipt(side: Receipt['side'], vm: string, content = vm, migration = MIGRATION) {
  const names = ['debian', 'lamp', content];
  return {
    vm,
    migration,
    side,
    chunkBytes: 65_536,
    atMs: 1,
    layers: names.map((name) => ({
      name: `${name}.qcow2`,
      layerId: id(name),
      virtualBytes: 1 << 30,
      evidence: 'read' as const,
    })),
  };
}

export function counts(stream: string, wire = 100) {
  return {
    stream,
    done_bytes: 1000,
    total_bytes: 2000,
    wire_bytes: wire,
    stored_bytes: 80,
    deduped_bytes: 20,
    milliseconds: 500,
  };
}
