import type { Zstd } from '../../adapters/system/zstd.ts';
import type { Geometry } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeRoot, type Root, segmentIdAt } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import type { Round } from '../../core/records.ts';
import type { DiskWriter } from '../disk/writer.ts';
import { Background } from '../flow/background.ts';
import { Stop } from '../flow/stop.ts';
import { Counter, type Counts, type Progress } from '../push/counts.ts';
import { fetchNamed } from './absent.ts';
import { writeRange } from './frames.ts';
import { oneAhead } from './one-ahead.ts';
import { type Plan, planSegments, type SegmentVersion } from './plan.ts';
import type { PullSource } from './port.ts';
import { rangesOf } from './ranges.ts';
import { corrupt, Versions } from './versions.ts';
import { WatchedSource } from './watched-source.ts';

export type PullRound = Pick<Round, 'segments' | 'layerId'>;

export interface PullJob {
  /** The layer's, for messages. */
  readonly name: string;
  readonly geometry: Geometry;
  /** Layer id of the layer below; 32 zero bytes for a bottom layer. */
  readonly parent: Uint8Array;
  /** The rounds of a push, in order, the last with the layer's id; or the id (hex) of a layer that is stored. */
  readonly rounds: AsyncIterable<PullRound> | { readonly layerId: string };
  readonly source: PullSource;
  readonly writer: DiskWriter;
  readonly signal: AbortSignal;
  /** Raw bytes of the layer's data chunks, for progress. */
  readonly totalBytes: number;
  readonly progress?: Progress | undefined;
  /** Ranges in work at a time, `limits.pulls_in_flight` unless set. */
  readonly concurrency?: number | undefined;
  /** The threaded one unless set. */
  readonly zstd?: Zstd | undefined;
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
  const plans = { name, geometry, source, versions: new Versions(name, geometry, source) };
  const disk = { name, chunkBytes: geometry.chunkBytes, source, writer, zstd: job.zstd, signal: stop.signal };
  try {
    const end: { layerId?: string } = {};
    const rounds = 'layerId' in job.rounds ? storedRounds(job, source, job.rounds.layerId) : job.rounds;
    for await (const plan of oneAhead(plansOf(plans, rounds, end), stop.signal)) {
      if (plan.overwrites) await background.drain();
      await writeZeros(job, plan);
      for (const range of rangesOf(plan.frames)) {
        await background.start(async () => counter.add({ doneBytes: await writeRange(disk, range) }));
      }
    }
    await background.drain();
    const layerId = end.layerId ?? roundsEnded(name);
    const { segmentIds } = await openRoot(job, source, layerId);
    if (!sameDigest(segmentIds, plans.versions.ids)) throw corrupt(name, 'its rounds brought other segments');
    return { layerId, counts: counter.finish() };
  } catch (error) {
    const reason = stop.fail(error);
    await background.ended();
    throw reason;
  }
}

/** Plans round by round; `end` gets the layer's id once the last round was planned. */
async function* plansOf(
  target: Parameters<typeof planSegments>[0],
  rounds: AsyncIterable<PullRound>,
  end: { layerId?: string },
): AsyncGenerator<Plan> {
  for await (const { segments, layerId } of rounds) {
    const latest = new Map(segments.map((segment) => [segment.index, segment]));
    yield* planSegments(target, [...latest.values()]);
    if (layerId === undefined) continue;
    end.layerId = layerId;
    return;
  }
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
