import path from 'node:path';
import type { Command } from 'commander';
import type { VerifiedLayer } from '../../agent/verify/verify-chain.ts';
import { disksOf, ofDisk, topLayer } from '../../core/disks.ts';
import type { Receipt } from '../../core/receipt.ts';
import { connect } from '../connection.ts';
import { EXIT, usage } from '../exit-codes.ts';
import { diskLabel } from '../output/disk-label.ts';
import { jsonLine } from '../output/json-lines.ts';
import { paint } from '../output/paint.ts';
import { bytes } from '../output/units.ts';
import { visible } from '../output/visible.ts';
import { stopSignal } from '../signals.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

interface Options {
  images: string;
  state?: string;
  cloud?: string;
  json?: boolean;
}

function tell(of: { vm: string; disk?: string }, layer: VerifiedLayer, json: boolean): boolean {
  const equal = layer.found === layer.expected;
  if (json) jsonLine('verified', { ...of, ...layer, equal });
  else {
    const from = layer.chunk === undefined ? '' : ` from chunk ${layer.chunk} on`;
    const word = equal ? paint.green('as in the receipt') : paint.red(`differs${from}: ${layer.found}`);
    process.stdout.write(`${diskLabel(of.vm, of.disk)} ${visible(layer.name)} ${bytes(layer.dataBytes)}: ${word}\n`);
  }
  return equal;
}

/** True if every layer of the VM’s disks holds what its destination’s receipt says. */
async function verifyVm(
  receipt: Receipt,
  { images, state }: { images: string; state: string },
  json: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const [{ openChain }, { verifyChain }, { ManifestStore }] = await Promise.all([
    import('../../agent/disk/chain.ts'),
    import('../../agent/verify/verify-chain.ts'),
    import('../../agent/manifests/store.ts'),
  ]);
  const known = new ManifestStore(path.join(state, 'manifests'));
  let equal = true;
  for (const disk of disksOf(receipt.layers)) {
    const of = { vm: receipt.vm, ...ofDisk(disk.disk) };
    const expected = { chunkBytes: receipt.chunkBytes, layers: disk.layers };
    const chain = await openChain(path.join(images, topLayer(disk).name), { imageFolder: images });
    try {
      equal = chain.layers.length === disk.layers.length && equal;
      for await (const layer of verifyChain(chain, expected, signal, known)) equal = tell(of, layer, json) && equal;
    } finally {
      await chain.close();
    }
  }
  return equal;
}

async function run(id: string, options: Options): Promise<void> {
  const client = await connect(options.cloud);
  const { vms } = await client.call('getReceipts', { params: { migration: id } });
  const receipts = vms.map((vm) => vm.destination).filter((receipt) => receipt !== undefined);
  if (receipts.length === 0)
    throw usage(`${id} has no receipt of its destination`, 'verify a migration that has committed');
  const signal = stopSignal('stopped reading; nothing was changed', 'the same command begins anew');
  const images = path.resolve(options.images);
  const folders = { images, state: path.resolve(options.state ?? path.join(images, '.layermover')) };
  for (const receipt of receipts) {
    if (!(await verifyVm(receipt, folders, options.json === true, signal))) process.exitCode = EXIT.failed;
  }
}

export function verifyVerb(): Command {
  return verb(
    'verify',
    'Read arrived chains again and hold them against the receipts. A VM that ran since differs in its top layer.',
    'layermover verify m0123456789abcdef0123 --images /srv/arrivals',
  )
    .addArgument(migrationArgument('the migration that brought them'))
    .requiredOption('--images <dir>', 'the destination’s image folder')
    .option(
      '--state <dir>',
      'the agent’s state folder, whose manifests tell the chunk (default: .layermover in the image folder)',
    )
    .option(...CLOUD_OPTION)
    .action(run);
}
