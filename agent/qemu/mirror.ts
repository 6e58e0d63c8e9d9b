import * as z from 'zod';
import { count } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { abortable } from '../flow/abortable.ts';
import { ask } from './ask.ts';
import type { EventFeed, QmpEvent } from './events.ts';
import { isSaying } from './failure.ts';
import { OURS } from './ours.ts';
import type { Qmp } from './qmp.ts';

const jobs = z.array(z.looseObject({ device: z.string(), len: count, offset: count }));
const nodes = z.array(z.looseObject({ 'node-name': z.string() }));

/** A job has ended. */
const OVER = ['BLOCK_JOB_COMPLETED', 'BLOCK_JOB_CANCELLED'];
/** It has ended, or does nothing any more: it waits to be cancelled. */
const OF_NO_USE = [...OVER, 'BLOCK_JOB_ERROR'];

export interface MirrorOptions {
  /** What QEMU is to call it. */
  readonly job: string;
  /** What QEMU is to call the node that it writes to, and the server the export. */
  readonly target: string;
  /** The disk's top node. */
  readonly node: string;
  /** The unix socket at which a server takes the copy, by NBD. */
  readonly socket: string;
  /** What is copied whole if the guest has written to a part of it. Bytes. */
  readonly granularity: number;
}

/**
 * QEMU's mirror of a disk's top layer to a server, in the background: the guest never waits for it, and whatever becomes of the
 * server the job alone stands still. It goes through the disk from its start, over and over, is ready once the copy has all for a
 * moment, and keeps up from then on. A guest that writes faster than that keeps it from it.
 */
export class MirrorJob {
  readonly #qmp: Qmp;
  readonly #names: Pick<MirrorOptions, 'job' | 'target'>;
  /** Why it is of no use any more; never rejects. */
  readonly ended: Promise<QmpEvent>;
  readonly #ready = Promise.withResolvers<void>();
  /** Set once it is of no use. */
  end: QmpEvent | undefined;
  /** It has copied as much as there was to copy at first. */
  hasPassed = false;
  #isFinished = false;
  /** Bytes. */
  #atFirst: number | undefined;

  private constructor(qmp: Qmp, names: Pick<MirrorOptions, 'job' | 'target'>, feed: EventFeed) {
    this.#qmp = qmp;
    this.#names = names;
    this.#ready.promise.catch(() => undefined);
    this.ended = this.#watch(feed);
  }

  /** Errors: those of Qmp.execute. */
  static async start(qmp: Qmp, of: MirrorOptions, signal: AbortSignal): Promise<MirrorJob> {
    const { job, target, node, socket, granularity } = of;
    const server = { type: 'unix', path: socket };
    await qmp.execute('blockdev-add', { driver: 'nbd', 'node-name': target, server, export: target }, { signal });
    // What happens to the job is told to whoever listens by then.
    const feed = qmp.events('BLOCK_JOB_READY', ...OF_NO_USE);
    try {
      // A job that ends while QEMU stops a guest whose disk is in an iothread ends QEMU; one that pauses does not.
      const errors = { 'on-source-error': 'stop', 'on-target-error': 'stop' };
      const how = { sync: 'top', 'copy-mode': 'background', granularity, ...errors };
      await qmp.execute('blockdev-mirror', { 'job-id': job, device: node, target, ...how }, { signal });
      return new MirrorJob(qmp, { job, target }, feed);
    } catch (error) {
      feed.close();
      throw error;
    }
  }

  /** Resolves when the copy has all. Errors: MIRROR_FAILED, the signal's reason. */
  ready(signal: AbortSignal): Promise<void> {
    return abortable(this.#ready.promise, signal);
  }

  /** Errors: MIRROR_FAILED if it is of no use: what the guest writes is not copied any more. */
  assertAlive(): void {
    if (this.end !== undefined) throw failed(this.end);
  }

  /** Bytes that it has still to copy, as far as it has noticed. Errors: MIRROR_FAILED, those of Qmp.execute. */
  async remainingBytes(signal: AbortSignal): Promise<number> {
    if (this.#isFinished) return 0;
    const all = await ask(this.#qmp, jobs, 'query-block-jobs', {}, { signal });
    const job = all.find(({ device }) => device === this.#names.job);
    this.assertAlive();
    const { len, offset } = job ?? { len: 0, offset: 0 };
    // It knows of nothing to copy before it has looked through the layer.
    if (len > 0) this.#atFirst ??= len;
    this.hasPassed ||= this.#atFirst !== undefined && offset >= this.#atFirst;
    return Math.max(0, len - offset);
  }

  /**
   * Ends it when the copy has all that was written before this call; the disk stays as it is. The guest must be stopped if the
   * copy is to be what the disk holds. Errors: MIRROR_FAILED, those of Qmp.execute.
   */
  async finish(signal: AbortSignal): Promise<void> {
    // What QEMU calls to cancel a job that is ready is to complete it, but for letting the guest go over to the copy.
    const { job, target } = this.#names;
    await this.#qmp.execute('block-job-cancel', { device: job, force: false }, { signal }).catch((error: unknown) => {
      throw this.end === undefined ? error : failed(this.end, error);
    });
    const end = await abortable(this.ended, signal);
    const { error, len, offset } = end.data;
    if (end.event !== 'BLOCK_JOB_COMPLETED' || error !== undefined || len !== offset) throw failed(end);
    this.#isFinished = true;
    await this.#qmp.execute('blockdev-del', { 'node-name': target }, { signal });
  }

  async #watch(feed: EventFeed): Promise<QmpEvent> {
    const never = new AbortController().signal;
    const next = () => feed.next(never, ({ data }) => data.device === this.#names.job);
    try {
      let told = await next();
      for (; !OF_NO_USE.includes(told.event); told = await next()) {
        this.hasPassed = true;
        this.#ready.resolve();
      }
      this.end = told;
    } catch (error) {
      this.end = { event: 'QMP_LOST', data: { error: String(error) } };
    }
    feed.close();
    this.#ready.reject(failed(this.end));
    return this.end;
  }
}

/** Ends the mirrors that bear our name, and removes what they wrote to. Errors: QMP_REFUSED and those of Qmp.execute. */
export async function removeOurMirrors(qmp: Qmp, signal: AbortSignal): Promise<void> {
  for (const { device } of await ask(qmp, jobs, 'query-block-jobs', {}, { signal })) {
    if (device.startsWith(OURS)) await cancel(qmp, device, signal);
  }
  for (const { 'node-name': name } of await ask(qmp, nodes, 'query-named-block-nodes', { flat: true }, { signal })) {
    if (name.startsWith(OURS)) await qmp.execute('blockdev-del', { 'node-name': name }, { signal });
  }
}

async function cancel(qmp: Qmp, device: string, signal: AbortSignal): Promise<void> {
  const feed = qmp.events(...OVER);
  try {
    await qmp.execute('block-job-cancel', { device, force: true }, { signal });
    await feed.next(signal, ({ data }) => data.device === device);
  } catch (error) {
    // It has ended by itself.
    if (!isSaying(error, /not found|not active/i)) throw error;
  } finally {
    feed.close();
  }
}

const WHY: Readonly<Record<string, string>> = {
  BLOCK_JOB_CANCELLED: 'it was cancelled',
  BLOCK_JOB_ERROR: 'it could not read the disk, or write its copy',
};

function failed({ event, data }: QmpEvent, cause?: unknown): LayerMoverError {
  const why = typeof data.error === 'string' ? data.error : (WHY[event] ?? event);
  return new LayerMoverError('MIRROR_FAILED', `QEMU’s mirror of the disk ended: ${why}`, {
    hint: 'the guest runs on; see the agent’s log and the VM’s disk for errors, then `layermover resume ID`',
    data: { event, ...data },
    cause,
  });
}
