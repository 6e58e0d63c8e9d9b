import type { ReadAt } from '../../core/files.ts';
import { fingerprint } from './fingerprint.ts';
import type { Found, Job, Scanner } from './job.ts';

/** Scans in the caller's own turn: a simulation must not depend on which thread is done first. */
export class ImmediateScanner implements Scanner {
  isOpen = true;
  readonly waiting = 0;
  readonly #buffers: readonly Uint8Array[];
  readonly #readAt: ReadAt;

  constructor(buffers: readonly SharedArrayBuffer[], readAt: ReadAt) {
    this.#buffers = buffers.map((shared) => new Uint8Array(shared));
    this.#readAt = readAt;
  }

  async run(job: Job): Promise<Found> {
    return fingerprint(job, this.#buffers[job.buffer]!, this.#readAt);
  }

  async close(): Promise<void> {
    this.isOpen = false;
  }
}
