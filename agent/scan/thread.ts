import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorFromJson, LayerMoverError } from '../../core/errors.ts';
import type { Answer, Found, Job, Scanner } from './job.ts';

/** Beside this file, and built as it is: the package has JavaScript. */
const WORKER = new URL(`./worker${path.extname(import.meta.filename)}`, import.meta.url);

interface Pending {
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
}

/** One worker thread, begun with its first job. It answers jobs in order; if it dies, its jobs fail and the next begins another. */
export class ScanThread implements Scanner {
  isOpen = true;
  readonly #buffers: readonly SharedArrayBuffer[];
  readonly #pending: Pending[] = [];
  #worker: Worker | undefined;

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.#buffers = buffers;
  }

  /** Jobs that were posted and not yet answered. */
  get waiting(): number {
    return this.#pending.length;
  }

  run(job: Job): Promise<Found> {
    return new Promise((resolve, reject) => {
      this.#worker ??= this.#begin();
      this.#pending.push({ resolve, reject });
      this.#worker.postMessage(job);
    });
  }

  async close(): Promise<void> {
    this.isOpen = false;
    await this.#worker?.terminate();
  }

  #begin(): Worker {
    const worker = new Worker(WORKER, { workerData: this.#buffers });
    worker.on('message', (answer: Answer) => {
      const { resolve, reject } = this.#pending.shift()!;
      if ('error' in answer) reject(errorFromJson(answer.error));
      else resolve(answer);
    });
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => this.#ended(cause));
    return worker;
  }

  #ended(cause: unknown): void {
    this.#worker = undefined;
    for (const { reject } of this.#pending.splice(0)) {
      reject(new LayerMoverError('SCAN_THREAD_DIED', 'a scan thread ended before its work', { cause }));
    }
  }
}
