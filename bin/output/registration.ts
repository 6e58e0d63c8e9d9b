import type { RegistrationView } from '../../core/api/registrations.ts';
import { type Column, table } from './table.ts';
import { bytes } from './units.ts';
import { visible } from './visible.ts';

/** Writes to stderr how far a registration is, whenever that has changed. */
export function registrationLines(): (view: RegistrationView) => void {
  let last = '';
  return ({ id, state, read, sent }) => {
    const { done_bytes: done, total_bytes: total } = state === 'publishing' ? sent : read;
    const words = total === 0 ? state : `${state}: ${bytes(done)} of ${bytes(total)}`;
    if (words !== last) process.stderr.write(`${id} ${words}\n`);
    last = words;
  };
}

const COLUMNS: readonly Column[] = [
  { head: 'layer' },
  { head: 'kind' },
  { head: 'name', wraps: 8 },
  { head: 'holds', align: 'right' },
  { head: 'published' },
];

/** What was registered, and what publishing it has cost. */
export function registrationTable({ layers, publish, sent }: RegistrationView): string {
  const rows = layers.map((layer) => [
    layer.layer_id.slice(0, 16),
    layer.kind,
    visible(layer.name),
    bytes(layer.logical_bytes),
    layer.published ? 'yes' : 'no',
  ]);
  const costs = `${bytes(sent.wire_bytes)} on the wire, ${bytes(sent.stored_bytes)} stored, ${bytes(sent.deduped_bytes)} were there already`;
  return [table(COLUMNS, rows), ...(publish ? [costs] : [])].join('\n');
}
