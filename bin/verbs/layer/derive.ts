import path from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { systemClock } from '../../../adapters/system/clock.ts';
import type { Derived, NamedImage } from '../../../agent/derive/derive.ts';
import type { Kind } from '../../../core/kinds.ts';
import { parseChunkSize } from '../../chunk-size.ts';
import { advise } from '../../output/failure.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { bytes } from '../../output/units.ts';
import { visible } from '../../output/visible.ts';
import { workProgress } from '../../output/work.ts';
import { stopSignal } from '../../signals.ts';
import { verb } from '../verb.ts';
import { IMAGES_OPTION, namedImage } from './images.ts';

interface Options {
  onto: string;
  out?: string;
  kind?: Kind;
  cluster: string;
  images?: string;
  json?: boolean;
}

/** The largest that qcow2 has. */
const CLUSTER_BYTES_MAX = 2 * 1024 ** 2;

/** What a layer over a chain is, if nothing is said: over one image a working environment, over more the user's data. */
async function kindOver(base: NamedImage): Promise<Kind> {
  const { openChain } = await import('../../../agent/disk/chain.ts');
  const chain = await openChain(base.path, { imageFolder: base.folder });
  await chain.close();
  return chain.layers.length === 1 ? 'we' : 'ud';
}

function tell(derived: Derived, kind: Kind, onto: string, json: boolean): void {
  const { path: file, backing, depth, virtualBytes, dataBytes, zeroBytes, readBytes, fileBytes } = derived;
  if (json) {
    jsonLine('derived', {
      file,
      kind,
      backing,
      depth,
      virtual_bytes: virtualBytes,
      data_bytes: dataBytes,
      zero_bytes: zeroBytes,
      read_bytes: readBytes,
      file_bytes: fileBytes,
    });
    return;
  }
  const zeros = zeroBytes === 0 ? '' : `, ${bytes(zeroBytes)} of zeros hide what is below`;
  process.stdout.write(
    `${visible(file)} (${kind}) over ${visible(onto)}: ${bytes(dataBytes)} of data${zeros}; read back and equal\n`,
  );
}

async function run(file: string, options: Options): Promise<void> {
  const json = options.json === true;
  const clusterBytes = parseChunkSize(options.cluster, CLUSTER_BYTES_MAX);
  const flat = await namedImage(file, options.images);
  const base = await namedImage(options.onto, options.images);
  const kind = options.kind ?? (await kindOver(base));
  const stem = path.basename(flat.path, path.extname(flat.path));
  const out = path.resolve(options.out ?? path.join(path.dirname(flat.path), `${stem}-${kind}.qcow2`));
  const signal = stopSignal('nothing is left of the new layer', 'the same command begins anew');
  const [{ derive }, { ChunkPool }] = await Promise.all([
    import('../../../agent/derive/derive.ts'),
    import('../../../agent/scan/pool.ts'),
  ]);
  const work = workProgress({ json, nowMs: () => systemClock.nowMs() });
  const pool = new ChunkPool();
  try {
    const derived = await derive({ flat, base, out, clusterBytes, pool, signal, progress: work.show });
    work.stop();
    tell(derived, kind, options.onto, json);
    advise(
      kind === 'ud'
        ? 'the flat disk is as it was; start the VM from the new file, and remove the flat one when all is well'
        : `the next layer goes on it: layermover layer derive FLAT --onto ${visible(path.relative('.', derived.path))}`,
    );
  } finally {
    work.stop();
    await pool.close();
  }
}

export function layerDeriveVerb(): Command {
  return verb(
    'derive',
    'Make a layer of a flat disk: a qcow2 file over a base that holds only what differs from it. Both stay as they are.',
    'layermover layer derive web-1.raw --onto os.qcow2 --out web.qcow2',
  )
    .argument('<flat>', 'the disk: a raw or qcow2 image, or the top of a chain')
    .requiredOption('--onto <base>', 'the image that the new layer lies on')
    .option('--out <file>', 'the new layer (default: the disk’s name and the kind, beside it)')
    .addOption(
      new Option('--kind <kind>', 'what the layer is: we or ud (default: by the layers below)').choices(['we', 'ud']),
    )
    .option('--cluster <bytes>', 'cluster size of the new layer, in which disks are compared', '64k')
    .option(...IMAGES_OPTION)
    .action(run);
}
