import type { Command } from 'commander';
import type { ReceiptLayer } from '../../core/receipt.ts';
import { connect } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { paint } from '../output/paint.ts';
import { type Column, table } from '../output/table.ts';
import { moment } from '../output/times.ts';
import { visible } from '../output/visible.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

const COLUMNS: readonly Column[] = [
  { head: 'layer', wraps: 12 },
  { head: 'layer id', wraps: 16 },
  { head: 'source', wraps: 10 },
  { head: 'destination', wraps: 10 },
];

/** How a side knows what it says, and of when that is. */
function evidenceOf(layer: ReceiptLayer | undefined): string {
  if (layer === undefined) return '–';
  return layer.scannedMs === undefined ? layer.evidence : `${layer.evidence}, scanned ${moment(layer.scannedMs)}`;
}

async function run(id: string, options: { cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const receipts = await client.call('getReceipts', { params: { migration: id } });
  if (receipts.vms.some((vm) => !vm.agree)) process.exitCode = EXIT.failed;
  if (options.json) return jsonLine('receipts', receipts);
  for (const vm of receipts.vms) {
    const word = vm.agree ? paint.green('both sides agree') : paint.red('not proven equal');
    process.stdout.write(`${vm.vm}: ${word} ${vm.content_digest ?? ''}\n`);
    const rows = (vm.destination ?? vm.source)?.layers.map((layer, at) => [
      [layer.disk, visible(layer.name)].filter((word) => word !== undefined).join(' '),
      layer.layerId,
      evidenceOf(vm.source?.layers[at]),
      evidenceOf(vm.destination?.layers[at]),
    ]);
    process.stdout.write(`${table(COLUMNS, rows ?? [])}\n`);
  }
}

export function receiptVerb(): Command {
  return verb(
    'receipt',
    'Show the proof of what arrived: both sides’ receipts.',
    'layermover receipt m0123456789abcdef0123',
  )
    .addArgument(migrationArgument('its id'))
    .option(...CLOUD_OPTION)
    .action(run);
}
