import { parentPort, workerData } from 'node:worker_threads';
import { systemReadAt } from '../../adapters/system/read-at.ts';
import { errorToJson } from '../../core/errors.ts';
import { fingerprint } from './fingerprint.ts';
import type { Job } from './job.ts';

/** The thread that reads and fingerprints chunks (pool.ts). Files and buffers are shared with the main thread. */
const buffers = (workerData as SharedArrayBuffer[]).map((shared) => new Uint8Array(shared));

parentPort!.on('message', (job: Job) => {
  try {
    const found = fingerprint(job, buffers[job.buffer]!, systemReadAt);
    parentPort!.postMessage(found, [found.states.buffer as ArrayBuffer, found.fingerprints.buffer as ArrayBuffer]);
  } catch (error) {
    parentPort!.postMessage({ error: errorToJson(error) });
  }
});
