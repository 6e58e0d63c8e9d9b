import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { DIGEST_BYTES, isNone, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeQuestion, encodeAnswer } from '../../core/format/batch.ts';
import { refuse } from '../../core/format/bytes.ts';
import { limits } from '../../core/limits.ts';
import { hasEnded } from '../../core/migration.ts';
import type { Task } from '../../core/task.ts';
import { requireTask } from '../agents/access.ts';
import { storeOf } from '../agents/store-of.ts';
import type { Telling } from '../cloud.ts';
import { claimOwner, migrationOf } from '../packs/claim-owner.ts';
import { contentsOf, type PackDeps, packsFor } from '../packs/find-packs.ts';
import { leavingAmong, type UseDeps } from '../packs/in-use.ts';
import type { ChunkPlace, PackContents } from '../packs/pack-contents.ts';
import type { Call } from '../rest/call.ts';
import { findAll, framesOf } from './answer-batch.ts';

export interface FingerprintDeps
  extends PackDeps,
    UseDeps,
    Pick<CloudPorts, 'hosts' | 'tasks' | 'migrations'>,
    Telling {}

/**
 * Answers a batch of fingerprints (docs/FORMAT.md, fingerprint batch). The rows of its hooks name packs, whose footers
 * tell of the whole batch (sparse indexing: Lillibridge et al., FAST 2009). If something is missing the batch is claimed
 * for the caller; while another's claim stands, what is missing is answered as claimed.
 */
export async function checkBatch(deps: FingerprintDeps, call: Call<'checkFingerprints'>): Promise<Uint8Array> {
  const task = await requireTask(deps, call, call.query.task, call.query.attempt);
  const batch = decodeQuestion(call.body);
  refuseZeros(batch);
  const store = storeOf(task);
  const packs = (await packsFor(deps, store, batch)).slice(0, limits.batch_footers_max);
  const contents = await contentsOf(deps, store, packs);
  const places = await findUsable(deps, store, batch, contents);
  const numbers = framesOf(places);
  const claimedUntilMs = places.includes(undefined) ? await claim(deps, task, batch) : 0;
  return encodeAnswer({
    frames: [...numbers.keys()],
    claimedUntilMs,
    answers: places.map((place) => {
      if (place === undefined) return { status: claimedUntilMs > 0 ? 'claimed' : 'missing' };
      return { status: 'have', frame: numbers.get(place.frame)!, rawOffset: place.rawOffset };
    }),
  });
}

/** Where each fingerprint lies. A pack that is named is in use from here on; one that garbage collection removes is passed over. */
async function findUsable(
  deps: FingerprintDeps,
  namespace: string,
  batch: Buffer,
  contents: ReadonlyMap<string, PackContents>,
): Promise<(ChunkPlace | undefined)[]> {
  const left = new Map(contents);
  for (;;) {
    const places = findAll(batch, [...left.values()]);
    const named = new Set(places.filter((place) => place !== undefined).map(({ frame }) => toHex(frame.pack)));
    const leaving = await leavingAmong(deps, namespace, 'packs', [...named]);
    if (leaving.size === 0) return places;
    for (const pack of leaving) left.delete(pack);
  }
}

/** No chunk has this fingerprint: whoever asks for it has lost track of what it scanned. */
function refuseZeros(batch: Buffer): void {
  for (let at = 0; at < batch.length; at += DIGEST_BYTES) {
    if (batch[at] === 0 && isNone(batch.subarray(at, at + DIGEST_BYTES)))
      throw refuse('fingerprint batch', `has no fingerprint at ${at / DIGEST_BYTES}`);
  }
}

/** Claims the batch; until when another's claim stands, 0 if it is the caller's now. */
async function claim(deps: FingerprintDeps, task: Task, batch: Buffer): Promise<number> {
  const nowMs = deps.clock.nowMs();
  const wanted = { owner: claimOwner(task), untilMs: nowMs + limits.claim_ms };
  const digest = toHex(sha256(batch));
  const store = storeOf(task);
  const standing = await deps.index.claim(store, digest, wanted, nowMs);
  if (standing.owner === wanted.owner) return 0;
  if (!(await isForsaken(deps, standing.owner))) return standing.untilMs;
  await deps.index.release(store, digest, standing.owner);
  const next = await deps.index.claim(store, digest, wanted, nowMs);
  return next.owner === wanted.owner ? 0 : next.untilMs;
}

/** True if the claim's migration has ended: whoever was to send this batch no longer will. */
async function isForsaken({ migrations }: FingerprintDeps, owner: string): Promise<boolean> {
  const migration = await migrations.find(migrationOf(owner));
  return migration !== undefined && hasEnded(migration.state);
}
