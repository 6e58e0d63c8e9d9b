import type { LayerView, MigrationView, VmView } from '../../core/api/views.ts';
import { diskLabel } from './disk-label.ts';
import { flowOf } from './flow.ts';
import { liveReport } from './live.ts';
import { paint } from './paint.ts';
import { type Column, table, tableWidth, terminalWidth } from './table.ts';
import { bytes, rate, seconds } from './units.ts';
import { visible } from './visible.ts';

/** Bytes of a layer that did not cross the wire, and why not. */
function notSent(layer: LayerView, moved: boolean): string {
  const { skipped, elsewhere, known, sent, open, wire } = flowOf(layer, moved);
  const twin = layer.treatment === 'dedup' ? 'known' : 'repeated within it';
  const parts: readonly (readonly [number, string])[] = [
    [elsewhere, 'sent once, with another VM'],
    [skipped, 'the destination has it'],
    [known, layer.stored ? 'the store has it' : twin],
    [sent - wire, 'compressed away'],
    [open, 'not moved'],
  ];
  const unasked = layer.unasked_bytes ?? 0;
  const asked = unasked === 0 ? [] : [`${bytes(unasked)} not looked up: it did not pay`];
  return (
    parts
      .filter(([amount]) => amount > 0)
      .map(([amount, why]) => `${bytes(amount)} ${why}`)
      .concat(asked)
      .join(', ') || '–'
  );
}

const treatmentPaint = { skip: paint.green, dedup: paint.cyan, direct: paint.yellow };

const COLUMNS: readonly Column[] = [
  { head: 'VM', wraps: 10 },
  { head: 'layer', wraps: 16 },
  { head: 'treatment' },
  { head: 'logical', align: 'right' },
  { head: 'on the wire', align: 'right' },
  { head: 'not sent, and why', wraps: 16 },
  { head: 'time', align: 'right' },
  { head: 'rate', align: 'right' },
];

function layerRow(vm: VmView, layer: LayerView, at: number): string[] {
  return [
    isFirstOfDisk(vm, at) ? diskLabel(vm.name, layer.disk) : '',
    `${layer.kind} ${visible(layer.name)}`,
    treatmentPaint[layer.treatment](layer.treatment),
    bytes(layer.logical_bytes),
    bytes(layer.wire_bytes),
    notSent(layer, vm.state === 'committed'),
    layer.wire_bytes > 0 ? seconds(layer.seconds) : '–',
    layer.wire_bytes > 0 ? rate(layer.logical_bytes, layer.seconds) : '–',
  ];
}

function isFirstOfDisk({ layers }: VmView, at: number): boolean {
  return at === 0 || layers[at]!.disk !== layers[at - 1]!.disk;
}

function outcome(vm: VmView): string {
  if (vm.state !== 'committed') return paint.red(vm.state);
  return vm.equal ? paint.green('equal ✓') : paint.red('not proven');
}

function share(vm: VmView): string {
  if (vm.state !== 'committed' || vm.logical_bytes <= vm.wire_bytes) return '';
  return `${Math.round((100 * vm.wire_bytes) / vm.logical_bytes)} % of it sent`;
}

function vmRow(vm: VmView): string[] {
  const speed = vm.state === 'committed' ? rate(vm.logical_bytes, vm.seconds) : '–';
  const sizes = [bytes(vm.logical_bytes), bytes(vm.wire_bytes)];
  return [vm.layers.length === 0 ? vm.name : '', 'all', outcome(vm), ...sizes, share(vm), seconds(vm.seconds), speed];
}

/**
 * The table at the end of a migration: a row a layer, a row a VM. On a narrow terminal the same as plain lines. Below it
 * the rounds and pauses of running VMs.
 */
export function report(migration: Pick<MigrationView, 'vms'>, width = terminalWidth()): string {
  const rows = migration.vms.flatMap((vm) => [...vm.layers.map((layer, at) => layerRow(vm, layer, at)), vmRow(vm)]);
  const text = table(COLUMNS, rows, width);
  const layers = tableWidth(text) <= width ? text : migration.vms.map(plain).join('\n');
  return [layers, ...ownWords(migration), liveReport(migration, width)].filter((part) => part !== '').join('\n');
}

/** What the destination had in layers of its own, though not as the same layer. */
function ownWords({ vms }: Pick<MigrationView, 'vms'>): string[] {
  const own = vms.flatMap((vm) => vm.layers).reduce((sum, layer) => sum + layer.local_bytes, 0);
  return own === 0 ? [] : [`${bytes(own)} were not fetched: other layers of the destination held them`];
}

function plain(vm: VmView): string {
  const sizes = `${bytes(vm.logical_bytes)}, ${bytes(vm.wire_bytes)} on the wire`;
  const layers = vm.layers.flatMap((layer) => [
    `  ${[layer.disk, layer.kind].filter((word) => word !== undefined).join(' ')} ${visible(layer.name)}`,
    `    ${treatmentPaint[layer.treatment](layer.treatment)}: ${bytes(layer.logical_bytes)}, ${bytes(layer.wire_bytes)} on the wire`,
    ...unsent(notSent(layer, vm.state === 'committed')),
  ]);
  return [`${paint.bold(vm.name)} ${outcome(vm)}`, `  ${sizes}, ${seconds(vm.seconds)}`, ...layers].join('\n');
}

function unsent(why: string): string[] {
  return why === '–' ? [] : [`    ${why}`];
}
