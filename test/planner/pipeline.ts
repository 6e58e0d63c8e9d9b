import { limits } from '../../core/limits.ts';
import { packRawBytes } from '../../core/pack-size.ts';

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
const UPLOADS_AT_ONCE = 2;

interface Ready {
  readonly readyMs: number;
  readonly bytes: number;
}

/** When packs have gone up that are ready in this order: two at a time, which share the link. */
function uploaded(packs: readonly Ready[], bytesPerMs: number): number[] {
  const left = packs.map(({ bytes }) => bytes);
  const storedMs: number[] = [];
  let active: number[] = [];
  let nowMs = 0;
  for (let next = 0; next < packs.length || active.length > 0; ) {
    while (active.length < UPLOADS_AT_ONCE && packs[next] !== undefined && packs[next]!.readyMs <= nowMs)
      active.push(next++);
    const share = bytesPerMs / Math.max(1, active.length);
    const joins =
      active.length < UPLOADS_AT_ONCE && packs[next] !== undefined ? packs[next]!.readyMs - nowMs : Infinity;
    const stepMs = Math.min(joins, ...active.map((pack) => left[pack]! / share));
    for (const pack of active) left[pack]! -= stepMs * share;
    nowMs += stepMs;
    for (const pack of active) if (left[pack]! < 1) storedMs[pack] = nowMs;
    active = active.filter((pack) => left[pack]! >= 1);
  }
  return storedMs;
}

/**
 * Moves a layer chunk by chunk and pack by pack on a clock of its own, as the agents do: batches of fingerprints are asked two
 * ahead, what is missing is read, hashed and compressed by the cores frame by frame, packs go up two at a time while the next one is
 * filled, are announced and committed, and come down one after the other; what the store had comes down with the first pack that
 * its segment waits for.
 * At the end the destination reads back. Answers the milliseconds from the first read to the last. It shares nothing with the planner but the size of packs.
 */
export function play(treatment: 'dedup' | 'direct', disk: Disk, between: Between): number {
  const { chunkBytes, known, compressed, fingerprinted } = disk;
  const [cores, down] = [new Server(), new Server()];
  const per = (bytes: number, rate: number) => (1000 * bytes) / rate;
  const raw = known.length * chunkBytes;
  const arrivals: Ready[] = [];
  const packs: (Ready & { readonly found: number })[] = [];
  let pack = 0;
  /** Bytes of known chunks whose segment goes with the next pack. */
  let found = 0;
  let readyMs = 0;
  const packBytes = packRawBytes(between.up / 1000, raw);
  const send = () => {
    if (pack > 0) packs.push({ readyMs, bytes: pack * compressed, found });
    pack = 0;
    found = 0;
  };
  const take = (fromMs: number) => {
    readyMs = cores.work(fromMs, per(chunkBytes, between.hash) + per(chunkBytes, between.compress));
    pack += chunkBytes;
    if (pack + chunkBytes > packBytes) send();
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
    if (missing === 0) arrivals.push({ readyMs: foundMs + between.callMs, bytes: had * chunkBytes * compressed });
    else found += had * chunkBytes * compressed;
    for (let chunk = 0; chunk < missing; chunk++) take(foundMs);
    openedMs.push(Math.max(foundMs, cores.freeMs));
  }
  send();
  // The destination hears of a pack once it is announced, if it is, and committed.
  const toldMs = uploaded(packs, between.up / 1000).map((ms) => ms + between.callMs * (treatment === 'dedup' ? 2 : 1));
  for (const [at, { bytes, found: known }] of packs.entries())
    arrivals.push({ readyMs: toldMs[at]!, bytes: bytes + known });
  for (const { readyMs: ms, bytes } of arrivals.sort((a, b) => a.readyMs - b.readyMs))
    down.work(ms, per(bytes, between.down));
  const endMs = Math.max(down.freeMs, ...toldMs, ...openedMs) + between.callMs * (treatment === 'dedup' ? 2 : 1);
  return endMs + per(raw, between.hash);
}
