import type { Command } from 'commander';
import { systemClock } from '../../../adapters/system/clock.ts';
import type { Chains } from '../../../agent/similarity/chains.ts';
import type { Similarity } from '../../../agent/similarity/report.ts';
import { limits } from '../../../core/limits.ts';
import { parseChunkSize } from '../../chunk-size.ts';
import { usage } from '../../exit-codes.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { workProgress } from '../../output/work.ts';
import { reportPlace, writeReport } from '../../report/file.ts';
import { stopSignal } from '../../signals.ts';
import { PICTURE_MARK, picture } from '../../similarity/picture.ts';
import { matrixTable, spaceLine } from '../../similarity/words.ts';
import { verb } from '../verb.ts';
import { IMAGES_OPTION, namedImage } from './images.ts';

interface Options {
  chunk: string;
  vms: string;
  svg?: string;
  images?: string;
  json?: boolean;
}

function vmsOf(text: string): number {
  const vms = Number(text);
  if (Number.isInteger(vms) && vms >= 1 && vms <= limits.similarity_vms_max) return vms;
  throw usage(`--vms ${text} is no number of VMs`, `a whole number from 1 to ${limits.similarity_vms_max}`);
}

function tell(report: Similarity, vms: number, json: boolean): void {
  if (json) {
    const { chunkBytes, layers, held, elsewhere, distinct, flat, two, three } = report;
    jsonLine('similarity', {
      chunk_bytes: chunkBytes,
      layers: layers.map(({ name, layerId, dataBytes }, i) => {
        return {
          name,
          layer_id: layerId,
          data_bytes: dataBytes,
          chunks: held[i]![i]!,
          held_by: held[i]!,
          held_elsewhere: elsewhere[i]!,
        };
      }),
      distinct_chunks: distinct,
      space: { vms, flat_bytes: flat, two_layers_bytes: two, three_layers_bytes: three },
    });
    return;
  }
  process.stdout.write(
    `chunks of ${report.chunkBytes / 1024} KiB\n${matrixTable(report)}\n${spaceLine(report, vms)}\n`,
  );
}

/** One report for each chunk size. */
async function compare(chains: Chains, sizes: readonly number[], options: Options): Promise<void> {
  const json = options.json === true;
  const [{ mappedBytes }, { similarityOf }, { ChunkPool }] = await Promise.all([
    import('../../../agent/similarity/chains.ts'),
    import('../../../agent/similarity/report.ts'),
    import('../../../agent/scan/pool.ts'),
  ]);
  const signal = stopSignal('stopped reading; nothing was changed', 'the same command begins anew');
  const vmsOfEach = vmsOf(options.vms);
  const vms = vmsOfEach * chains.vms.length;
  const mapped = await Promise.all(chains.layers.map(mappedBytes));
  const totalBytes = mapped.reduce((sum, each) => sum + each, 0);
  const place = options.svg === undefined ? undefined : await reportPlace(options.svg, { mark: PICTURE_MARK });
  const reports: Similarity[] = [];
  const pool = new ChunkPool();
  const work = workProgress({ json, nowMs: () => systemClock.nowMs() });
  try {
    for (const chunkBytes of sizes) {
      const progress = (read: number) => work.show(`${chunkBytes / 1024} KiB`, read, totalBytes);
      reports.push(await similarityOf({ chains, chunkBytes, vmsOfEach, pool, signal, progress }));
    }
  } finally {
    work.stop();
    await pool.close();
  }
  for (const report of reports) tell(report, vms, json);
  if (place === undefined) return;
  await writeReport(place, picture(reports, vms));
  if (json) jsonLine('picture', { file: place });
  else process.stderr.write(`picture: ${place}\n`);
}

async function run(files: string[], options: Options): Promise<void> {
  const sizes = [...new Set(options.chunk.split(',').map((size) => parseChunkSize(size)))];
  const images = await Promise.all(files.map((file) => namedImage(file, options.images)));
  const { openChains } = await import('../../../agent/similarity/chains.ts');
  const chains = await openChains(images);
  try {
    await compare(chains, sizes, options);
  } finally {
    await chains.close();
  }
}

export function layerSimilarityVerb(): Command {
  return verb(
    'similarity',
    'What layers have in common: which share of its chunks another one has, and what VMs take flat, in two and in three layers.',
    'layermover layer similarity web.qcow2 lamp.qcow2 mail.qcow2 --chunk 4k,64k --vms 10 --svg similarity.svg',
  )
    .argument('<files...>', 'images; the layers that they lie on are compared, too')
    .option('--chunk <sizes>', 'chunk sizes, each read for itself', '64k')
    .option('--vms <n>', 'how many VMs there are of each image that no other one lies on', '1')
    .option('--svg <file>', 'write a picture; an older one there is replaced')
    .option(...IMAGES_OPTION)
    .action(run);
}
