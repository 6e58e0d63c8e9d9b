import pLimit from 'p-limit';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { hasCode } from '../../core/errors.ts';
import { DIGEST_BYTES, fromHex, isNone, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeQuestion, encodeAnswer } from '../../core/format/batch.ts';
import { refuse } from '../../core/format/bytes.ts';
import { limits } from '../../core/limits.ts';
import { hasEnded } from '../../core/migration.ts';
import type { Clock } from '../../core/ports.ts';
import type { Task } from '../../core/task.ts';
import { requireTask } from '../agents/access.ts';
import { claimOwner, migrationOf } from '../packs/claim-owner.ts';
import type { FooterCache } from '../packs/footer-cache.ts';
import { PackContents } from '../packs/pack-contents.ts';
import { readFooter } from '../packs/read-footer.ts';
import type { Call } from '../rest/call.ts';
import { findAll, framesOf, hooksOf, packsNamed } from './answer-batch.ts';

export interface FingerprintDeps extends Pick<CloudPorts, 'objects' | 'index' | 'hosts' | 'tasks' | 'migrations'> {
  readonly clock: Clock;
  /** One fingerprint in so many has an index row. */
  readonly sampling: number;
  readonly footers: FooterCache;
}

/**
 * Answers a batch of fingerprints (docs/FORMAT.md, fingerprint batch). The rows of its hooks name packs, whose footers
 * tell of the whole batch (sparse indexing: Lillibridge et al., FAST 2009). If something is missing the batch is claimed
 * for the caller; while another's claim stands, what is missing is answered as claimed.
 */
export async function checkBatch(deps: FingerprintDeps, call: Call<'checkFingerprints'>): Promise<Uint8Array> {
  const task = await requireTask(deps, call, call.query.task, call.query.attempt);
  const batch = decodeQuestion(call.body);
  refuseZeros(batch);
  const places = findAll(batch, await packsFor(deps, task.namespace, batch));
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

/** No chunk has this fingerprint: whoever asks for it has lost track of what it scanned. */
function refuseZeros(batch: Buffer): void {
  for (let at = 0; at < batch.length; at += DIGEST_BYTES) {
    if (batch[at] === 0 && isNone(batch.subarray(at, at + DIGEST_BYTES)))
      throw refuse('fingerprint batch', `has no fingerprint at ${at / DIGEST_BYTES}`);
  }
}

async function packsFor(deps: FingerprintDeps, namespace: string, batch: Buffer): Promise<PackContents[]> {
  const rows = await deps.index.lookup(namespace, hooksOf(batch, deps.sampling));
  const packs = packsNamed(rows).slice(0, limits.batch_footers_max);
  const reading = pLimit(limits.footer_reads_in_flight);
  const contents = await reading.map(packs, (pack) => contentsOf(deps, namespace, pack));
  return contents.filter((each) => each !== undefined);
}

/** A pack that is gone or corrupt is as if it were not there: a miss costs a second copy, never correctness. */
async function contentsOf(deps: FingerprintDeps, namespace: string, pack: string): Promise<PackContents | undefined> {
  const key = `${namespace}/${pack}`;
  const known = deps.footers.get(key);
  if (known !== undefined) return known;
  try {
    const contents = new PackContents(fromHex(pack), await readFooter(deps.objects, namespace, pack));
    deps.footers.set(key, contents);
    return contents;
  } catch (error) {
    if (hasCode(error, 'OBJECT_MISSING', 'FORMAT_REFUSED', 'FORMAT_VERSION')) return undefined;
    throw error;
  }
}

/** Claims the batch; until when another's claim stands, 0 if it is the caller's now. */
async function claim(deps: FingerprintDeps, task: Task, batch: Buffer): Promise<number> {
  const nowMs = deps.clock.nowMs();
  const wanted = { owner: claimOwner(task), untilMs: nowMs + limits.claim_ms };
  const digest = toHex(sha256(batch));
  const standing = await deps.index.claim(task.namespace, digest, wanted, nowMs);
  if (standing.owner === wanted.owner) return 0;
  if (!(await isForsaken(deps, standing.owner))) return standing.untilMs;
  await deps.index.release(task.namespace, digest, standing.owner);
  const next = await deps.index.claim(task.namespace, digest, wanted, nowMs);
  return next.owner === wanted.owner ? 0 : next.untilMs;
}

/** True if the claim's migration has ended: whoever was to send this batch no longer will. */
async function isForsaken({ migrations }: FingerprintDeps, owner: string): Promise<boolean> {
  const migration = await migrations.find(migrationOf(owner));
  return migration !== undefined && hasEnded(migration.state);
}
