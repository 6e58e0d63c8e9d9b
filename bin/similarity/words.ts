import type { Similarity } from '../../agent/similarity/report.ts';
import { type Column, table } from '../output/table.ts';
import { bytes } from '../output/units.ts';
import { visible } from '../output/visible.ts';

/** The matrix of one chunk size as a table: rows hold, columns are asked. */
export function matrixTable({ layers, held, elsewhere }: Similarity): string {
  const columns: Column[] = [
    { head: '' },
    { head: 'layer', wraps: 8 },
    { head: 'data', align: 'right' },
    ...layers.map((_, i): Column => ({ head: String(i + 1), align: 'right' })),
    { head: 'any other', align: 'right' },
  ];
  const rows = layers.map(({ name, dataBytes }, row) => {
    const all = held[row]![row]!;
    const percent = (count: number) => (all === 0 ? '–' : `${Math.round((100 * count) / all)} %`);
    const cells = held[row]!.map((count, i) => (i === row ? '' : percent(count)));
    return [String(row + 1), visible(name), bytes(dataBytes), ...cells, percent(elsewhere[row]!)];
  });
  return table(columns, rows);
}

/** What the VMs take, in one line; nothing if there is none. */
export function spaceLine({ flat, two, three }: Similarity, vms: number): string {
  const share = (amount: number) => (flat === 0 ? '' : ` (${Math.round((100 * amount) / flat)} %)`);
  return `${vms} VM${vms === 1 ? '' : 's'}: ${bytes(flat)} flat, ${bytes(two)}${share(two)} in two layers, ${bytes(three)}${share(three)} in three`;
}
