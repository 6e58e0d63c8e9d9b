import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../../adapters/system/clock.ts';
import type { NamedImage } from '../../../agent/derive/derive.ts';
import type { Reading, Sample } from '../../../agent/suggest/sample.ts';
import type { MatchAnswer } from '../../../core/api/matches.ts';
import { toHex } from '../../../core/fingerprint.ts';
import { shareInterval } from '../../../core/interval.ts';
import { parseChunkSize } from '../../chunk-size.ts';
import { cloudFilePath, connect } from '../../connection.ts';
import { advise } from '../../output/failure.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { type Column, table } from '../../output/table.ts';
import { bytes } from '../../output/units.ts';
import { visible } from '../../output/visible.ts';
import { workProgress } from '../../output/work.ts';
import { stopSignal } from '../../signals.ts';
import { type Candidate, imagesFor, matchImages, merged } from '../../suggest/candidates.ts';
import { CLOUD_OPTION, verb } from '../verb.ts';
import { namedImage } from './images.ts';

interface Options {
  among?: string[];
  images?: string;
  state?: string;
  chunk: string;
  cloud?: string;
  json?: boolean;
}

const COLUMNS: readonly Column[] = [
  { head: 'base', wraps: 16 },
  { head: 'holds of it', align: 'right' },
  { head: 'between', align: 'right' },
  { head: 'where', wraps: 8 },
];

type Client = Awaited<ReturnType<typeof connect>>;

/** The cloud that is named, or that there is. */
async function cloudOf(option: string | undefined): Promise<Client | undefined> {
  const given = option !== undefined || process.env.LAYERMOVER_CLOUD !== undefined;
  return given || existsSync(cloudFilePath(option)) ? await connect(option) : undefined;
}

async function storedMatches(client: Client | undefined, { chunks, geometry }: Sample): Promise<MatchAnswer> {
  if (client === undefined || chunks.length === 0) return { layers: [], passed_over: 0 };
  const sample = chunks.map(({ chunk, fingerprint }) => ({ chunk, fingerprint: toHex(fingerprint) }));
  return await client.call('matchLayers', { body: { chunk_bytes: geometry.chunkBytes, sample } });
}

async function sampled(flat: NamedImage, reading: Reading): Promise<Sample> {
  const { openChain } = await import('../../../agent/disk/chain.ts');
  const { Side } = await import('../../../agent/compare/side.ts');
  const { takeSample } = await import('../../../agent/suggest/sample.ts');
  const chain = await openChain(flat.path, { imageFolder: flat.folder });
  try {
    return await takeSample(new Side(chain), reading);
  } finally {
    await chain.close();
  }
}

/** The call that makes a layer of the disk over the best base that is here. */
function commandFor(flat: string, candidates: readonly Candidate[], images?: string): string | undefined {
  const base = candidates.find(({ image }) => image !== undefined)?.image;
  if (base === undefined) return undefined;
  const words = ['layermover', 'layer', 'derive', flat, '--onto', path.relative('.', base.path)];
  return [...words, ...(images === undefined ? [] : ['--images', images])].map(quoted).join(' ');
}

/** A word as a shell takes it for one. */
function quoted(word: string): string {
  return /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function tellJson(sample: Sample, candidates: readonly Candidate[], passedOver: number, command?: string): void {
  jsonLine('suggestion', {
    chunk_bytes: sample.geometry.chunkBytes,
    sampled_chunks: sample.chunks.length,
    read_bytes: sample.readBytes,
    candidates: candidates.map(({ image, depth, layerId, name, holders, matched }) => ({
      ...(image === undefined ? { name: name! } : { file: image.path, depth: depth! }),
      ...(layerId === undefined ? {} : { layer_id: layerId }),
      ...(holders === undefined ? {} : { holders }),
      matched,
      share: matched / sample.chunks.length,
      ...shareInterval(matched, sample.chunks.length),
    })),
    passed_over: passedOver,
    ...(command === undefined ? {} : { command }),
  });
}

function tellWords(sample: Sample, candidates: readonly Candidate[], passedOver: number, command?: string): void {
  const count = sample.chunks.length;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const rows = candidates.map(({ image, layerId, name, holders, matched }) => {
    const { low, high } = shareInterval(matched, count);
    const what = image === undefined ? `${name} ${layerId!.slice(0, 16)}` : path.relative('.', image.path);
    const where = image === undefined ? (holders ?? []).join(' ') || 'the store' : 'here';
    return [visible(what), percent(matched / count), `${percent(low)} and ${percent(high)}`, where];
  });
  process.stderr.write(`${count} chunks that hold data were looked at; ${bytes(sample.readBytes)} were read\n`);
  if (passedOver > 0) process.stderr.write(`${passedOver} layers of the store were not looked at\n`);
  if (rows.length === 0) {
    advise('no known base has any of it in its place; name images with --among');
    return;
  }
  process.stdout.write(`${table(COLUMNS, rows)}\n`);
  if (candidates[0]!.image === undefined) advise('the best one is not here: derive on a host that holds it');
  if (command !== undefined) advise(command);
}

async function run(file: string, options: Options): Promise<void> {
  const json = options.json === true;
  const chunkBytes = parseChunkSize(options.chunk);
  const client = await cloudOf(options.cloud);
  const flat = await namedImage(file, options.images);
  const folder = options.images === undefined ? flat.folder : path.resolve(options.images);
  const state = path.resolve(options.state ?? path.join(folder, '.layermover'));
  const among = await Promise.all((options.among ?? []).map((each) => namedImage(each, options.images)));
  const { knownBases } = await import('../../../agent/suggest/bases.ts');
  const { ChunkPool } = await import('../../../agent/scan/pool.ts');
  const known = await knownBases(state);
  const images = await imagesFor(flat.path, among, folder, known);
  const signal = stopSignal('stopped looking; nothing was changed', 'the same command begins anew');
  const work = workProgress({ json, nowMs: () => systemClock.nowMs() });
  const pool = new ChunkPool();
  try {
    const reading = { chunkBytes, pool, signal };
    const sample = await sampled(flat, reading);
    const stored = await storedMatches(client, sample);
    const each = sample.chunks.length * chunkBytes;
    const tell = (done: number) => work.show('images', done * each, images.length * each);
    const here = await matchImages(images, flat.path, sample, reading, tell);
    const candidates = merged(
      here,
      stored.layers,
      known.filter((layer) => layer.chunkBytes === chunkBytes),
    );
    work.stop();
    (json ? tellJson : tellWords)(sample, candidates, stored.passed_over, commandFor(file, candidates, options.images));
  } finally {
    work.stop();
    await pool.close();
  }
}

export function layerSuggestVerb(): Command {
  return verb(
    'suggest',
    'Name the base that a disk could best lie on, from a sample of it: among images here and the layers of the store.',
    'layermover layer suggest web-1.raw --images /srv/images',
  )
    .argument('<flat>', 'the disk: a raw or qcow2 image, or the top of a chain')
    .option('--among <files...>', 'more images that it could lie on')
    .option('--images <dir>', 'image folder, whose bases it could lie on (default: the one that the disk is in)')
    .option('--state <dir>', 'the agent’s state folder (default: .layermover in the image folder)')
    .option('--chunk <bytes>', 'chunk size; layers of the store that have another one are passed over', '64k')
    .option(...CLOUD_OPTION)
    .action(run);
}
