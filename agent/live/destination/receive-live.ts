import { basename } from 'node:path';
import { type Geometry, geometryOf } from '../../../core/chunk.ts';
import { fromHex, NO_DIGEST } from '../../../core/fingerprint.ts';
import { limits } from '../../../core/limits.ts';
import type { Round } from '../../../core/records.ts';
import { onceBegun } from '../../flow/once-begun.ts';
import type { Arrival } from '../../images/arrivals.ts';
import { assertRoom, diskFull, isFull } from '../../images/room.ts';
import { type PullRound, pullLayer } from '../../pull/pull-layer.ts';
import type { ReceivedTop, WantedTop } from '../../tasks/arrived-vm.ts';
import { topOf, withChain } from '../../tasks/chains.ts';
import { type Below, overBelow } from '../../tasks/held-layer.ts';
import { createMeter } from '../../tasks/meter.ts';
import { createLike } from '../../tasks/pull-into.ts';
import { readbackDiffers } from '../../tasks/receive.ts';
import { createSource } from '../../tasks/source.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import { ReadBack } from './read-back.ts';
import { RoundsAhead } from './rounds-ahead.ts';
import { TouchedWriter } from './touched-writer.ts';

/** What is done on the way. */
export interface OnTheWay {
  /**
   * Nothing more has come of a disk than what is written and read back: all up to that cursor. The file at `path` is a valid
   * image, and QEMU may have it open.
   */
  caughtUp(top: WantedTop, path: string, cursor: string): void;
  /** What has to be ended before the file may go. */
  giveUp(): Promise<void>;
}

/**
 * Brings the top layer of one of a running VM’s disks, round by round, into a file that has its final name from the start; reads back what
 * rounds wrote while the next ones are made; and notes the file as arrived when the last round has come and the whole
 * Merkle root is that of the source. If that fails nothing of it stays.
 * Errors: DISK_FULL, READBACK_DIFFERS, those of pullLayer, of creating images and of reading.
 */
export async function receiveLive(
  host: TaskHost,
  run: TaskRun,
  wanted: WantedTop,
  way: OnTheWay,
): Promise<ReceivedTop> {
  const { migration, transfer, vm } = wanted;
  const { name, data_bytes: bytes } = transfer.layer;
  const room = { files: host.images.files, folder: host.images.path, name, bytes };
  await assertRoom(room);
  const arrival = await host.arrivals.reserve(name, migration, vm, 'live');
  try {
    return await inPlace(host, run, wanted, (coming, caughtUp) => {
      const first = (cursor: string) => {
        caughtUp();
        way.caughtUp(wanted, arrival.path, cursor);
      };
      const rounds = new RoundsAhead(coming);
      return overBelow(host.images, wanted.below, (below) =>
        receiveOver(host, run, { wanted, below, arrival, rounds, caughtUp: first }),
      );
    });
  } catch (error) {
    await way.giveUp();
    await host.arrivals.drop(arrival);
    throw isFull(error) ? await diskFull(room, error) : error;
  }
}

/**
 * A place is taken from the first round until the work has caught up for the first time: what comes later is little, and may come
 * for hours.
 */
function inPlace<T>(
  host: TaskHost,
  run: TaskRun,
  wanted: WantedTop,
  work: (rounds: AsyncIterable<Round>, caughtUp: () => void) => Promise<T>,
): Promise<T> {
  return onceBegun(roundsOf(host, wanted), run.signal, async (rounds) => {
    const caughtUp = Promise.withResolvers<void>();
    const { running } = await host.places.destination(run.signal, async () => {
      const working = work(rounds, caughtUp.resolve);
      await Promise.race([caughtUp.promise, working.then(undefined, () => undefined)]);
      return { running: working };
    });
    return running;
  });
}

interface Receiving {
  readonly wanted: WantedTop;
  readonly below: Below | undefined;
  readonly arrival: Arrival;
  readonly rounds: RoundsAhead<Round>;
  readonly caughtUp: (cursor: string) => void;
}

async function receiveOver(host: TaskHost, run: TaskRun, receiving: Receiving) {
  const { wanted, below, arrival } = receiving;
  const { chunkBytes, transfer } = wanted;
  const geometry = geometryOf(transfer.layer.virtual_bytes, chunkBytes);
  const { pool, manifests } = host;
  const parent = wanted.below?.layerId ?? null;
  const readBack = await ReadBack.begin({ geometry, parent, pool, manifests, signal: run.signal });
  try {
    const writer = new TouchedWriter(await createLike(transfer, arrival.path, host.images, below), chunkBytes);
    try {
      const { layerId, counts } = await pullAndProve(host, run, receiving, { geometry, readBack, writer });
      await writer.finish();
      const found = { virtualBytes: geometry.virtualBytes, dataBytes: readBack.dataBytes };
      return {
        arrived: await host.arrivals.arrived(arrival, { ...layerOf(wanted, arrival, layerId), ...found }),
        counts,
      };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  } finally {
    await readBack.discard();
  }
}

async function pullAndProve(
  host: TaskHost,
  run: TaskRun,
  { wanted, arrival, rounds, caughtUp }: Receiving,
  { geometry, readBack, writer }: { geometry: Geometry; readBack: ReadBack; writer: TouchedWriter },
) {
  const { transfer } = wanted;
  const image = { path: arrival.path, topFormat: transfer.layer.container.format };
  let isValid = false;
  const afterRound = async ({ layerId, cursor }: PullRound, applied: () => Promise<void>) => {
    const isLast = layerId !== undefined;
    if (!isLast && !rounds.isWaiting && writer.bytes < limits.readback_slice_bytes) return;
    await applied();
    // A disk that holds nothing yet is one that QEMU may open, too.
    if (writer.isTouched || !isValid) {
      await writer.checkpoint();
      isValid = true;
      await withChain(host.images, image, (chain) => readBack.advance(topOf(chain), writer.take()));
    }
    if (!isLast && cursor !== undefined && rounds.isWaiting) caughtUp(cursor);
  };
  const meter = createMeter(host.clock, run, transfer.stream);
  const pulled = await pullLayer({
    ...pullOf(host, run, wanted),
    geometry,
    rounds,
    writer,
    afterRound,
    progress: meter,
  });
  if (readBack.layerId !== pulled.layerId) throw readbackDiffers(arrival, pulled.layerId, readBack.layerId);
  return { layerId: pulled.layerId, counts: meter(pulled.counts) };
}

function roundsOf({ news }: TaskHost, { migration, run, transfer }: WantedTop) {
  return (until: AbortSignal) => news.rounds({ migration, run, stream: transfer.stream }, until);
}

function pullOf(host: TaskHost, run: TaskRun, { migration, transfer, below }: WantedTop) {
  return {
    name: transfer.layer.name,
    parent: below === undefined ? NO_DIGEST : fromHex(below.layerId),
    source: createSource(host, run, migration, transfer),
    signal: run.signal,
    totalBytes: transfer.layer.data_bytes,
    zstd: host.zstd,
    unpacked: host.unpacked,
  };
}

function layerOf({ chunkBytes, transfer, below, migration }: WantedTop, arrival: Arrival, layerId: string) {
  const { kind, container } = transfer.layer;
  const name = basename(arrival.path);
  const under = { parent: below?.layerId ?? null, below: below?.path ?? null };
  return { layerId, chunkBytes, role: 'top', kind, name, ...under, container, migration } as const;
}
