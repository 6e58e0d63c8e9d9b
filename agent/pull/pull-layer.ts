import type { Zstd } from '../../adapters/system/zstd.ts';
import type { Geometry } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeRoot, type Root, segmentIdAt } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import type { Round } from '../../core/records.ts';
import type { DiskWriter } from '../disk/writer.ts';
import { Background } from '../flow/background.ts';
import { Slots } from '../flow/slots.ts';
import { Stop } from '../flow/stop.ts';
import type { ManifestDraft } from '../manifests/draft.ts';
import type { Busy } from '../measure/busy.ts';
import { Counter, type Counts, type Progress } from '../push/counts.ts';
import { fetchNamed } from './absent.ts';
import { writeRange } from './frames.ts';
import { oneAhead } from './one-ahead.ts';
import type { Found, OwnChunks } from './own-chunks.ts';
import { type Plan, planSegments, type SegmentVersion, type WantedChunk, type WantedFrame } from './plan.ts';
import type { PullSource } from './port.ts';
import { type PackRange, rangesOf } from './ranges.ts';
import { corrupt, Versions } from './versions.ts';
import { WatchedSource } from './watched-source.ts';

export type PullRound = Pick<Round, 'segments' | 'layerId'> & { readonly cursor?: string };

export interface PullJob {
  /** The layer's, for messages. */
  readonly name: string;
  readonly geometry: Geometry;
  /** Layer id of the layer below; 32 zero bytes for a bottom layer. */
  readonly parent: Uint8Array;
  /** The rounds of a push, in order, the last with the layer's id; or the id (hex) of a layer that is stored. */
  readonly rounds: AsyncIterable<PullRound> | { readonly layerId: string };
  readonly source: PullSource;
  /** Layers of the host's own, in which chunks are looked for before they are fetched. */
  readonly own?: OwnChunks | undefined;
  /** A new one of this geometry and parent: in the end it has all segments of the layer. Whoever gave it seals it, or discards it. */
  readonly manifest?: ManifestDraft | undefined;
  readonly writer: DiskWriter;
  readonly signal: AbortSignal;
  /** Raw bytes of the layer's data chunks, for progress. */
  readonly totalBytes: number;
  readonly progress?: Progress | undefined;
  /** Called after each round, when its writes have been begun; `applied` waits until all of them are done. */
  readonly afterRound?: ((round: PullRound, applied: () => Promise<void>) => Promise<void>) | undefined;
  /** Ranges in work at a time, `limits.pulls_in_flight` unless set. */
  readonly concurrency?: number | undefined;
  /** The threaded one unless set. */
  readonly zstd?: Zstd | undefined;
  /** Told of what is opened, checked and written. */
  readonly unpacked?: Busy | undefined;
}

/**
 * Brings a layer to a disk, round by round as they are committed: fetches, decompresses, checks and writes at once, in
 * bounded memory. Data is written only after its fingerprint was compared, zeros explicitly, absent chunks not at all.
 * In the end the segments that were applied are those of the root. Does not finish the writer. When this settles,
 * nothing is writing any more; a call of the source that was under way is left to itself.
 * Errors: MANIFEST_CORRUPT, PLACEMENT_CORRUPT, FRAME_CORRUPT, CHUNK_CORRUPT, FORMAT_VERSION, PREFIX_UNSUPPORTED,
 * ROUNDS_ENDED, those of the source and the writer, the signal's reason.
 */
export async function pullLayer(job: PullJob): Promise<{ layerId: string; counts: Counts }> {
  const stop = new Stop(job.signal);
  const counter = new Counter(job.totalBytes, job.progress);
  const source = new WatchedSource(job.source, stop.signal, (wireBytes) => counter.add({ wireBytes }));
  const background = new Background(job.concurrency ?? limits.pulls_in_flight, stop);
  const { name, geometry, writer } = job;
  const plans = { name, geometry, source, versions: new Versions(name, geometry, source, job.manifest) };
  const disk = { name, chunkBytes: geometry.chunkBytes, source, writer, zstd: job.zstd, signal: stop.signal };
  const slots = Slots.count(limits.unpacks_at_once);
  const unpack = async (work: () => Promise<number>) => {
    const slot = await slots.take(stop.signal);
    try {
      return await (job.unpacked?.measure(work, (bytes) => bytes) ?? work());
    } finally {
      slots.give(slot);
    }
  };
  try {
    const end: End = {};
    const rounds = 'layerId' in job.rounds ? storedRounds(job, source, job.rounds.layerId) : job.rounds;
    const root = (layerId: string) => openRoot(job, source, layerId);
    for await (const { plan, round } of oneAhead(stepsOf(plans, rounds, root, end), stop.signal)) {
      if (round !== undefined) {
        await job.afterRound?.(round, () => background.drain());
        continue;
      }
      if (plan.overwrites) await background.drain();
      await writeZeros(job, plan);
      const found = await job.own?.find(plan.frames);
      const fetched = async (range: PackRange) => counter.add({ doneBytes: await writeRange(disk, range, unpack) });
      if (found !== undefined && found.whole.length > 0) {
        // Beside what is fetched: the link has something to do meanwhile.
        await background.start(async () => {
          for (const range of rangesOf(await copyOwn(job, found, counter, stop.signal))) await fetched(range);
        });
      }
      for (const range of rangesOf(found?.others ?? plan.frames)) await background.start(() => fetched(range));
    }
    await background.drain();
    const layerId = end.layerId ?? roundsEnded(name);
    const { segmentIds } = await end.root!;
    if (!sameDigest(segmentIds, plans.versions.ids)) throw corrupt(name, 'its rounds brought other segments');
    return { layerId, counts: counter.finish() };
  } catch (error) {
    const reason = stop.fail(error);
    await background.ended();
    throw reason;
  }
}

/** What is known once the last round has come. */
interface End {
  layerId?: string;
  root?: Promise<Root>;
}

type Step =
  | { readonly plan: Plan; readonly round?: undefined }
  | { readonly plan?: undefined; readonly round: PullRound };

/** Plans round by round, and each round when all its plans were given. With the last one the root is asked for already. */
async function* stepsOf(
  target: Parameters<typeof planSegments>[0],
  rounds: AsyncIterable<PullRound>,
  root: (layerId: string) => Promise<Root>,
  end: End,
): AsyncGenerator<Step> {
  for await (const round of rounds) {
    const { segments, layerId } = round;
    if (layerId !== undefined) {
      end.layerId = layerId;
      end.root = root(layerId);
      end.root.catch(() => undefined);
    }
    const latest = new Map(segments.map((segment) => [segment.index, segment]));
    for await (const plan of planSegments(target, [...latest.values()])) yield { plan };
    yield { round };
    if (layerId !== undefined) return;
  }
}

/** Writes what layers of the host's own hold; gives what has to be fetched after all. */
async function copyOwn(
  { writer, geometry, unpacked }: PullJob,
  found: Found<WantedFrame>,
  counter: Counter,
  signal: AbortSignal,
): Promise<readonly WantedFrame[]> {
  const write = async ({ chunk, length }: WantedChunk, bytes: Uint8Array) => {
    await writer.write(chunk * geometry.chunkBytes, bytes);
    counter.add({ doneBytes: length, dedupedBytes: length });
  };
  const copy = () => found.copy(write, signal);
  const copied = (await unpacked?.measure(copy, ({ size }) => size * geometry.chunkBytes)) ?? (await copy());
  const left = found.whole.map(({ place, chunks }) => ({
    place,
    chunks: chunks.filter((chunk) => !copied.has(chunk)),
  }));
  return left.filter(({ chunks }) => chunks.length > 0);
}

async function writeZeros({ writer, geometry }: PullJob, { zeros }: Plan): Promise<void> {
  const { virtualBytes, chunkBytes } = geometry;
  for (const { chunk, count } of zeros) {
    const offset = chunk * chunkBytes;
    await writer.writeZeros(offset, Math.min(virtualBytes, offset + count * chunkBytes) - offset);
  }
}

/** All that a stored layer's root names, as rounds. */
async function* storedRounds(job: PullJob, source: WatchedSource, layerId: string): AsyncGenerator<PullRound> {
  const root = await openRoot(job, source, layerId);
  let segments: SegmentVersion[] = [];
  for (let index = 0; index < root.geometry.segments; index++) {
    segments.push({ index, id: toHex(segmentIdAt(root, index)) });
    if (segments.length < limits.segments_per_round_commit_max) continue;
    yield { segments };
    segments = [];
  }
  yield { segments, layerId };
}

/** The root of a layer, which must be of this disk and on this parent. Errors: MANIFEST_CORRUPT. */
function openRoot({ name, geometry, parent }: PullJob, source: WatchedSource, layerId: string): Promise<Root> {
  const open = (bytes: Uint8Array) => {
    if (toHex(sha256(bytes)) !== layerId) throw corrupt(name, 'its root differs from its id');
    const root = decodeRoot(bytes);
    const { virtualBytes, chunkBytes } = root.geometry;
    if (virtualBytes !== geometry.virtualBytes || chunkBytes !== geometry.chunkBytes)
      throw corrupt(name, `it is of a disk of ${virtualBytes} bytes in chunks of ${chunkBytes}`);
    if (!sameDigest(root.parent, parent)) throw corrupt(name, 'it is on another parent');
    return root;
  };
  return fetchNamed({ what: 'root', layer: name }, () => source.root(layerId, open));
}

function roundsEnded(layer: string): never {
  throw new LayerMoverError('ROUNDS_ENDED', `the rounds of layer ${layer} ended before its last one`, {
    hint: 'the source stopped; run the migration again',
    data: { layer },
  });
}
