import { limits } from '../../core/limits.ts';

/** What lies between two hosts, and what they compute with. Bytes a second on all cores, milliseconds. */
export interface Between {
  readonly hash: number;
  readonly compress: number;
  readonly up: number;
  readonly down: number;
  readonly callMs: number;
  readonly lookupMs: number;
}

export interface Disk {
  readonly chunkBytes: number;
  /** One entry a chunk: true if the index has it. */
  readonly known: readonly boolean[];
  readonly compressed: number;
  readonly fingerprinted: boolean;
}

/** A machine that does one thing at a time, in the order in which it is asked. */
class Server {
  freeMs = 0;

  /** When a piece of work is done that can begin at `readyMs`. */
  work(readyMs: number, ms: number): number {
    this.freeMs = Math.max(this.freeMs, readyMs) + ms;
    return this.freeMs;
  }
}

const BATCHES_AHEAD = 2;

/**
 * Moves a layer chunk by chunk and pack by pack on a clock of its own, as the agents do: batches of fingerprints are asked two
 * ahead, what is missing is read, hashed and compressed by the cores frame by frame, packs go up while the next one is
 * filled, are announced and committed, and come down one after the other; what the store had comes down with the first pack that
 * its segment waits for.
 * At the end the destination reads back. Answers the milliseconds from the first read to the last. It shares nothing with the planner.
 */
export function play(treatment: 'dedup' | 'direct', disk: Disk, between: Between): number {
  const { chunkBytes, known, compressed, fingerprinted } = disk;
  const [cores, up, down] = [new Server(), new Server(), new Server()];
  const per = (bytes: number, rate: number) => (1000 * bytes) / rate;
  const raw = known.length * chunkBytes;
  let arrivedMs = 0;
  let committedMs = 0;
  const arrive = (readyMs: number, bytes: number) => {
    arrivedMs = Math.max(arrivedMs, down.work(readyMs, per(bytes, between.down)));
  };
  let pack = 0;
  /** Bytes of known chunks whose segment goes with the next pack. */
  let found = 0;
  let readyMs = 0;
  const send = () => {
    if (pack === 0) return;
    const bytes = pack * compressed;
    const storedMs = up.work(readyMs, per(bytes, between.up));
    // The destination hears of it once it is announced, if it is, and committed.
    const toldMs = storedMs + between.callMs * (treatment === 'dedup' ? 2 : 1);
    committedMs = Math.max(committedMs, toldMs);
    arrive(toldMs, bytes + found);
    pack = 0;
    found = 0;
  };
  const take = (fromMs: number) => {
    readyMs = cores.work(fromMs, per(chunkBytes, between.hash) + per(chunkBytes, between.compress));
    pack += chunkBytes;
    if (pack + chunkBytes > limits.pack_raw_bytes_max) send();
  };

  const scannedMs = treatment === 'dedup' && !fingerprinted ? cores.work(0, per(raw, between.hash)) : 0;
  const batches = Math.ceil(known.length / limits.segment_chunks);
  const openedMs: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const chunks = known.slice(batch * limits.segment_chunks, (batch + 1) * limits.segment_chunks);
    let answeredMs = scannedMs;
    if (treatment === 'dedup') {
      const askedMs = Math.max(scannedMs, openedMs[batch - BATCHES_AHEAD] ?? 0);
      answeredMs = askedMs + between.lookupMs + per(32 * chunks.length, between.up);
    }
    const foundMs = Math.max(answeredMs, openedMs[batch - 1] ?? 0);
    const had = treatment === 'dedup' ? chunks.filter(Boolean).length : 0;
    const missing = chunks.length - had;
    if (missing === 0) arrive(foundMs + between.callMs, had * chunkBytes * compressed);
    else found += had * chunkBytes * compressed;
    for (let chunk = 0; chunk < missing; chunk++) take(foundMs);
    openedMs.push(Math.max(foundMs, cores.freeMs));
  }
  send();
  const endMs = Math.max(arrivedMs, committedMs, ...openedMs) + between.callMs * (treatment === 'dedup' ? 2 : 1);
  return endMs + per(raw, between.hash);
}
