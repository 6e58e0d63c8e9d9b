import type { Command } from 'commander';
import pc from 'picocolors';
import { connect } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { list } from '../output/report.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

async function run(id: string, options: { cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const receipts = await client.call('getReceipts', { params: { migration: id } });
  if (receipts.vms.some((vm) => !vm.agree)) process.exitCode = EXIT.failed;
  if (options.json) return jsonLine('receipts', receipts);
  for (const vm of receipts.vms) {
    const word = vm.agree ? pc.green('both sides agree') : pc.red('not proven equal');
    process.stdout.write(`${vm.vm}: ${word} ${vm.content_digest ?? ''}\n`);
    const rows = (vm.destination ?? vm.source)?.layers.map((layer, at) => [
      layer.name,
      layer.layerId,
      vm.source?.layers[at]?.evidence ?? '–',
      vm.destination?.layers[at]?.evidence ?? '–',
    ]);
    process.stdout.write(`${list(['layer', 'layer id', 'source', 'destination'], rows ?? [])}\n`);
  }
}

export function receiptVerb(): Command {
  return verb(
    'receipt',
    'Show the proof of what arrived: both sides’ receipts.',
    'layermover receipt m0123456789abcdef0123',
  )
    .argument('<migration>', 'its id')
    .option(...CLOUD_OPTION)
    .action(run);
}
