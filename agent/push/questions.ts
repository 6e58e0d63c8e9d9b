import { chunkLength } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { toHex } from '../../core/fingerprint.ts';
import type { Answer, BatchAnswer } from '../../core/format/batch.ts';
import type { FramePlace } from '../../core/format/placement.ts';
import type { Root } from '../../core/format/root.ts';
import { DATA } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { inOrder } from '../flow/in-order.ts';
import type { ChunkRun } from '../scan/runs.ts';
import { type Batch, batchesOf, loadBatch } from './batches.ts';
import type { DedupJob, PushWork } from './job.ts';
import { OpenSegment } from './open-segment.ts';
import type { Adopted } from './settler.ts';
import type { Trial } from './trial.ts';
import type { Underway } from './underway.ts';

/** Batches in work: while one is being read, the next one's answer is on its way. */
const BATCHES_AHEAD = 2;

/** A batch to ask for. */
interface Question {
  /** Its segments. */
  readonly indexes: readonly number[];
  /** Set once another agent was found to be sending it: from then on we send it ourselves. */
  readonly untilMs?: number;
}

/** Once through the batches that are left: those that another agent is sending are put aside. */
export interface Pass {
  readonly questions: AsyncIterable<Question> | Iterable<Question>;
  asked: number;
  readonly trial: Trial;
  readonly claimed: Question[];
}

/** All batches of the layer. */
export async function* firstQuestions({ manifests, layerId }: DedupJob, root: Root): AsyncGenerator<Question> {
  for await (const indexes of batchesOf(manifests, layerId, root)) yield { indexes };
}

/**
 * Asks the index batch by batch, opens the segments of each, and gives the chunks that must be read. A claim is made on
 * a whole batch, so one that another agent has claimed is put aside as a whole, until the claim or our patience ends.
 */
export async function* missingRuns(job: DedupJob, work: PushWork, pass: Pass): AsyncGenerator<ChunkRun> {
  const { trial } = pass;
  const answers = inOrder(pass.questions, BATCHES_AHEAD, (question) => ask(job, work, question, trial));
  for await (const { question, batch, answer, coming } of trial.timed(answers)) {
    pass.asked++;
    const nowMs = job.clock.nowMs();
    const isClaimed = answer.answers.some(({ status }) => status === 'claimed');
    if (!isClaimed || nowMs >= (question.untilMs ?? Number.POSITIVE_INFINITY)) {
      yield* open(batch, { answer, coming }, work, trial);
      continue;
    }
    const waitMs = Math.min(limits.claim_ms, Math.max(0, answer.claimedUntilMs - nowMs));
    pass.claimed.push({ untilMs: nowMs + waitMs, ...question });
  }
}

/** What is known of a batch: what the index has, and what is on its way to it. */
interface Known {
  readonly answer: BatchAnswer & { readonly isUnasked?: true };
  readonly coming: ReturnType<Underway['now']> | undefined;
}

/** Of what the index is not asked for it has nothing. */
function unasked(chunks: number): BatchAnswer & { readonly isUnasked: true } {
  const answers = Array.from({ length: chunks }, (): Answer => ({ status: 'missing' }));
  return { answers, frames: [], claimedUntilMs: 0, isUnasked: true };
}

async function ask(
  { manifests, layerId, name, underway }: DedupJob,
  { sink }: PushWork,
  question: Question,
  { pays }: Trial,
) {
  const coming = underway?.now();
  const batch = await loadBatch(manifests, layerId, question.indexes);
  const asks = pays && batch.chunks > 0;
  const answer = asks ? await sink.check(batch.fingerprints) : unasked(batch.chunks);
  if (answer.answers.length !== batch.chunks)
    throw refused(name, `has ${answer.answers.length} places for ${batch.chunks}`);
  return { question, batch, answer, coming };
}

/** Opens a batch's segments, commits those that need nothing, and gives the chunks that the others miss. */
async function* open(batch: Batch, { answer, coming }: Known, work: PushWork, trial: Trial): AsyncGenerator<ChunkRun> {
  const { geometry, settler, counter } = work;
  const wasMissing = answer.answers.some(({ status }) => status !== 'have');
  const claim = { digest: batch.digest, missing: 0 };
  const complete: OpenSegment[] = [];
  const adopted: Adopted[] = [];
  const runs: ChunkRun[] = [];
  let at = 0;
  let foundBytes = 0;
  let missingBytes = 0;
  for (const { index, content } of batch.segments) {
    const earlier = await work.earlier?.version(index);
    const { chunkBytes } = geometry;
    const stored = earlier?.id;
    const segment = new OpenSegment({ index, content, isKnown: true, chunkBytes, batch: claim, stored });
    for (let slot = 0; slot < content.chunks; slot++) {
      if (content.states[slot] !== DATA) continue;
      const chunk = index * limits.segment_chunks + slot;
      const length = chunkLength(geometry, chunk);
      const indexed = placeOf(answer, answer.answers[at++]!, length);
      const ours = earlier?.placeOf(slot, content.fingerprint(slot));
      const place = indexed ?? ours;
      const soon = place === undefined ? coming?.(toHex(content.fingerprint(slot))) : undefined;
      if (soon !== undefined) {
        adopted.push({ segment, slot, soon, length });
        claim.missing++;
        foundBytes += length;
        continue;
      }
      if (place === undefined) {
        claim.missing++;
        missingBytes += length;
        appendTo(runs, chunk);
        continue;
      }
      segment.place(slot, place.frame, place.rawOffset);
      foundBytes += length;
      // What this push has sent itself, or found before, was counted then.
      counter.add({ doneBytes: length, dedupedBytes: ours === undefined ? length : 0 });
    }
    settler.open.set(index, segment);
    if (segment.isComplete) complete.push(segment);
  }
  if (answer.isUnasked) counter.add({ unaskedBytes: missingBytes });
  else trial.note({ foundBytes, missingBytes });
  if (wasMissing && claim.missing === 0) await work.sink.announce([], batch.digest);
  if (complete.length > 0) await settler.commit(complete);
  if (adopted.length > 0) await settler.adopt(adopted);
  yield* runs;
}

function appendTo(runs: ChunkRun[], chunk: number): void {
  const last = runs.at(-1);
  if (last !== undefined && last.chunk + last.count === chunk)
    runs[runs.length - 1] = { ...last, count: last.count + 1 };
  else runs.push({ chunk, count: 1, kind: 'read' });
}

function placeOf(
  { frames }: BatchAnswer,
  answer: Answer,
  length: number,
): { frame: FramePlace; rawOffset: number } | undefined {
  if (answer.status !== 'have') return undefined;
  const frame = frames[answer.frame];
  if (frame === undefined || answer.rawOffset + length > frame.rawBytes)
    throw refused('a chunk', 'points outside its frame');
  return { frame, rawOffset: answer.rawOffset };
}

function refused(what: string, why: string): LayerMoverError {
  return new LayerMoverError('ANSWER_REFUSED', `the index’s answer for ${what} ${why}`, {
    hint: 'agent and functions may be of different versions; bring both to the same one',
  });
}
