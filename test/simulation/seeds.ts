import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Simulated, simulate } from './simulate.ts';

/**
 * Seeds for one thread. An agent that was killed leaves what it waited for behind, and Node keeps abort signals that
 * somebody listens to: a thread that ends gives all of it back.
 */
const BATCH = 100;

/** Plays seeds one after the other, a thread for each batch of them. */
export async function* playSeeds(from: number, count: number): AsyncGenerator<Simulated> {
  for (let first = from; first < from + count; first += BATCH) {
    yield* playBatch(first, Math.min(BATCH, from + count - first));
  }
}

async function* playBatch(from: number, count: number): AsyncGenerator<Simulated> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { from, count } });
  const results: Simulated[] = [];
  let wake = () => {};
  let failure: unknown;
  worker.on('message', (result: Simulated) => {
    results.push(result);
    wake();
  });
  worker.on('error', (error) => {
    failure = error;
    wake();
  });
  try {
    for (let done = 0; done < count; done++) {
      while (results.length === 0 && failure === undefined) await new Promise<void>((resolve) => (wake = resolve));
      if (results.length === 0) throw failure;
      yield results.shift()!;
    }
  } finally {
    await worker.terminate();
  }
}

if (!isMainThread && typeof workerData?.from === 'number') {
  const { from, count } = workerData as { from: number; count: number };
  for (let seed = from; seed < from + count; seed++) parentPort!.postMessage(await simulate(seed));
}
