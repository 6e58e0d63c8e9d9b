import { LayerMoverError } from '../../core/errors.ts';
import { sameDigest } from '../../core/fingerprint.ts';
import type { Root } from '../../core/format/root.ts';
import { DATA, Segment, ZERO } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { type ChunkBatch, readChunks } from '../scan/read.ts';
import type { DedupJob, LayerWork, PushWork } from './job.ts';
import { firstQuestions, missingRuns, type Pass } from './questions.ts';
import { Trial } from './trial.ts';

/** Sends what the index does not have of a layer with a manifest; the rest is neither read nor sent. */
export async function pushKnown(job: DedupJob, work: LayerWork): Promise<{ layerId: string; root: Root }> {
  const { layerId } = job;
  const root = await knownRoot(job, work);
  const trial = new Trial(job.clock);
  let pass: Pass = { questions: firstQuestions(job, root), asked: 0, claimed: [], trial };
  for (;;) {
    const source = { ...job, geometry: work.geometry };
    for await (const batch of readChunks(source, missingRuns(job, work, pass), work.signal)) {
      await takeIn(batch, job, work);
    }
    // Whoever waits for what we claimed can go on before we wait for others.
    await work.packer.flush();
    if (pass.claimed.length === 0) break;
    if (pass.claimed.length === pass.asked) await job.clock.sleep(limits.claim_poll_ms, work.signal);
    pass = { questions: pass.claimed, asked: 0, claimed: [], trial };
  }
  work.packed();
  await work.settler.drain();
  await work.assertUnchanged();
  return { layerId, root };
}

async function knownRoot({ manifests, layerId, name }: DedupJob, { geometry }: PushWork): Promise<Root> {
  const root = await manifests.root(layerId);
  if (root === undefined) {
    throw new LayerMoverError('MANIFEST_UNKNOWN', `there is no manifest of layer ${name} on this host`, {
      hint: 'register the layer first',
      data: { layer: name, layerId },
    });
  }
  const { virtualBytes, chunkBytes } = root.geometry;
  if (virtualBytes === geometry.virtualBytes && chunkBytes === geometry.chunkBytes) return root;
  throw changed(name, 'its size', { manifest: { virtualBytes, chunkBytes }, found: geometry });
}

/** Packs the missing chunks that were read, each of which must be what the manifest says. */
async function takeIn(batch: ChunkBatch, { name }: DedupJob, { settler, packer, counter }: PushWork): Promise<void> {
  const { index, content } = settler.open.get(batch.segment)!;
  const found = new Segment(content.chunks);
  batch.describe(found);
  for (let chunk = 0; chunk < content.chunks; chunk++) {
    const isZero = found.states[chunk] === ZERO;
    const isOther = found.states[chunk] === DATA && !sameDigest(found.fingerprint(chunk), content.fingerprint(chunk));
    if (isZero || isOther) throw changed(name, `chunk ${index * limits.segment_chunks + chunk}`);
  }
  for (const { chunk, fingerprint, bytes } of batch.dataChunks()) {
    const outcome = await packer.add({ segment: index, chunk }, fingerprint, bytes);
    if (outcome === 'repeated') counter.add({ dedupedBytes: bytes.length });
  }
}

function changed(layer: string, what: string, data: Record<string, unknown> = {}): LayerMoverError {
  return new LayerMoverError('LAYER_CHANGED', `layer ${layer} is not what its manifest says: ${what} differs`, {
    hint: 'a base layer must never be written; register it again if the change was meant',
    data: { layer, what, ...data },
  });
}
