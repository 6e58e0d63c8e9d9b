import Table from 'cli-table3';
import pc from 'picocolors';
import type { LayerView, MigrationView, VmView } from '../../core/api/views.ts';
import { bytes, rate, seconds } from './units.ts';

/** The table paints by itself: only where colours are wanted. */
const tableStyle = {
  head: pc.isColorSupported ? ['bold'] : [],
  border: pc.isColorSupported ? ['dim'] : [],
  compact: true,
};

/** Bytes of a layer that did not cross the wire, and why not. */
function notSent(layer: LayerView): string {
  if (layer.shared) return `${bytes(layer.logical_bytes)} sent once, with another VM`;
  if (layer.treatment === 'skip') return `${bytes(layer.logical_bytes)} the destination has it`;
  const squeezed = Math.max(0, layer.logical_bytes - layer.deduped_bytes - layer.wire_bytes);
  const parts = [];
  const twin = layer.treatment === 'dedup' ? 'known' : 'repeated within it';
  if (layer.deduped_bytes > 0) parts.push(`${bytes(layer.deduped_bytes)} ${twin}`);
  if (squeezed > 0) parts.push(`${bytes(squeezed)} compressed away`);
  return parts.join(', ') || '–';
}

const paint = { skip: pc.green, dedup: pc.cyan, direct: pc.yellow };

function layerRow(vm: VmView, layer: LayerView, at: number): string[] {
  return [
    at === 0 ? pc.bold(vm.name) : '',
    `${layer.kind} ${pc.dim(layer.name)}`,
    paint[layer.treatment](layer.treatment),
    bytes(layer.logical_bytes),
    bytes(layer.wire_bytes),
    notSent(layer),
    layer.wire_bytes > 0 ? seconds(layer.seconds) : '–',
    layer.wire_bytes > 0 ? rate(layer.logical_bytes, layer.seconds) : '–',
  ];
}

function vmRow(vm: VmView): string[] {
  const word = vm.state === 'committed' ? (vm.equal ? pc.green('equal ✓') : pc.red('not proven')) : pc.red(vm.state);
  const share =
    vm.logical_bytes > vm.wire_bytes ? `${Math.round((100 * vm.wire_bytes) / vm.logical_bytes)} % of it sent` : '';
  return [
    '',
    pc.bold('all'),
    word,
    bytes(vm.logical_bytes),
    bytes(vm.wire_bytes),
    share,
    seconds(vm.seconds),
    rate(vm.logical_bytes, vm.seconds),
  ];
}

/** The table at the end of a migration: a row a layer, a row a VM. */
export function report(migration: Pick<MigrationView, 'vms'>): string {
  const table = new Table({
    head: ['VM', 'layer', 'treatment', 'logical', 'on the wire', 'not sent, and why', 'time', 'rate'],
    colAligns: ['left', 'left', 'left', 'right', 'right', 'left', 'right', 'right'],
    style: tableStyle,
  });
  for (const vm of migration.vms) {
    vm.layers.forEach((layer, at) => {
      table.push(layerRow(vm, layer, at));
    });
    table.push(vmRow(vm));
  }
  return table.toString();
}

/** Plain rows under a heading, for lists. */
export function list(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], style: tableStyle });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
