import type { LayerTransfer, RoundStats, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import { topsOf } from '../../core/disks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { roundCursor } from '../../core/records.ts';
import { inOrder } from '../flow/in-order.ts';
import type { PushJournal } from '../journal/push-journal.ts';
import { LinkTime, TimedSink } from '../live/link.ts';
import type { LiveLayer } from '../live/live-layer.ts';
import type { LiveDisk, LiveSession } from '../live/session.ts';
import type { Counts } from '../push/counts.ts';
import { type PushedRound, pushRound } from '../push/push-round.ts';
import { touchedRuns } from '../scan/runs.ts';
import { createMeter } from './meter.ts';
import { createSink, scopeOf } from './sink.ts';
import { createSource } from './source.ts';
import type { TaskHost, TaskRun } from './task.ts';

type OfVm = Extract<TaskInput, { kind: 'round' | 'cutover' }>;

export interface RoundToSend {
  /** For what is told of it. */
  readonly number: number;
  /** Ends the streams. */
  readonly isLast: boolean;
  /** The number, among what this task commits, of the first thing that is committed of each disk. */
  readonly sequence: number;
  /** Of the disks. */
  readonly journals: readonly PushJournal[];
}

export interface SentRound {
  readonly stats: RoundStats;
  /** Of each disk's stream. */
  readonly streams: readonly StreamCounts[];
  readonly sequence: number;
  /** Of each disk's top layer, if this was the last round. */
  readonly layerIds: readonly string[];
}

/** What a disk's part of a round has come to. */
interface SentDisk {
  readonly pushed: PushedRound;
  readonly wireBytes: number;
  readonly counts: StreamCounts;
}

/**
 * Sends what the guest has written to a running VM's disks since the round before. What an earlier attempt stored is not sent
 * again. Errors: those of LiveSession.round and of pushRound.
 */
export async function sendRound(
  host: TaskHost,
  run: TaskRun,
  input: OfVm,
  session: LiveSession,
  round: RoundToSend,
): Promise<SentRound> {
  const { number, isLast, sequence } = round;
  const atOnce = await disksAtOnce(session, run.signal);
  let sent: SentDisk[] = [];
  const stats = await session.round({ number, isLast }, run.signal, async (layers) => {
    const link = new LinkTime(host.clock);
    const part = (layer: LiveLayer, at: number) => sendDisk(host, run, input, { session, round, layer, at, link });
    sent = [];
    for await (const each of inOrder(layers.entries(), atOnce, ([at, layer]) => part(layer, at))) sent.push(each);
    return { wireBytes: sent.reduce((sum, { wireBytes }) => sum + wireBytes, 0), milliseconds: link.busyMs };
  });
  return {
    stats,
    streams: sent.map(({ counts }) => counts),
    sequence: Math.max(sequence, ...sent.map(({ pushed }) => pushed.sequence)),
    layerIds: sent.flatMap(({ pushed: { layerId } }) => (layerId === undefined ? [] : [layerId])),
  };
}

/**
 * How many disks are sent at the same time: those whose changes fit a pack together, for a guest may wait for them; of others one
 * after the other, for each takes buffers of its own.
 */
export async function disksAtOnce(
  session: Pick<LiveSession, 'disks' | 'hasAll' | 'remainingBytes'>,
  signal: AbortSignal,
): Promise<number> {
  if (session.disks.length === 1 || !session.hasAll) return 1;
  return (await session.remainingBytes(signal)) <= limits.pack_raw_bytes_max ? limits.disks_at_once : 1;
}

interface DiskPart {
  readonly session: LiveSession;
  readonly round: RoundToSend;
  readonly layer: LiveLayer;
  readonly at: number;
  readonly link: LinkTime;
}

async function sendDisk(
  host: TaskHost,
  run: TaskRun,
  input: OfVm,
  { session, round, layer, at, link }: DiskPart,
): Promise<SentDisk> {
  const { clock, pool, pace, zstd } = host;
  const transfer = topTransfers(input)[at]!;
  const disk = session.disks[at]!;
  const journal = round.journals[at]!;
  const { stream, layer: surveyed } = transfer;
  const { migration } = input;
  const meter = createMeter(clock, run, stream, journal.spent.milliseconds);
  const before = disk.doneBytes;
  const tell = (counts: Counts) => {
    return meter({ ...counts, doneBytes: before + counts.doneBytes, totalBytes: before + counts.totalBytes });
  };
  const spent = journal.spent.wireBytes;
  const sink = new TimedSink(createSink(host, run, migration, transfer), link);
  const { geometry, book } = disk;
  const { isLast, sequence } = round;
  const push = { name: surveyed.name, pool, pace, zstd, sink, clock, geometry, book, isLast, sequence };
  const signals = { signal: run.cut, drain: run.signal, progress: tell };
  const earlier = { before: { journal, source: createSource(host, run, migration, transfer) } };
  const totalBytes = before === 0 ? surveyed.data_bytes : 0;
  const runs = touchedRuns(layer.extents(), geometry);
  const { fill } = layer;
  const wanted = { ...push, ...signals, ...earlier, totalBytes, layer, fill, runs };
  const pushed = await begun(disk, sink, sequence, await pushRound(wanted));
  disk.doneBytes += pushed.counts.doneBytes;
  if (pushed.sequence > sequence) disk.cursor = roundCursor(roundOf(run, input), pushed.sequence - 1);
  return { pushed, wireBytes: pushed.counts.wireBytes - spent, counts: tell(pushed.counts) };
}

/** A disk that holds nothing yet is told of, too: its destination has to know that it has all of it. */
async function begun(
  { cursor }: LiveDisk,
  sink: TimedSink,
  sequence: number,
  pushed: PushedRound,
): Promise<PushedRound> {
  if (cursor !== undefined || pushed.sequence > sequence) return pushed;
  await sink.commit({ sequence, segments: [] });
  return { ...pushed, sequence: sequence + 1 };
}

/** Does `work` with the journals of what a VM's rounds have stored, one a disk; several rounds of a task share them. */
export async function withRoundJournals<T>(
  host: TaskHost,
  input: OfVm,
  { disks }: Pick<LiveSession, 'disks'>,
  work: (journals: readonly PushJournal[]) => Promise<T>,
): Promise<T> {
  const { migration } = input;
  const journals: PushJournal[] = [];
  try {
    for (const [at, transfer] of topTransfers(input).entries()) {
      const { geometry } = disks[at]!;
      const scope = scopeOf(host, migration, transfer);
      journals.push(await host.journals.open({ scope, migration, stream: transfer.stream, geometry }));
    }
    return await work(journals);
  } finally {
    for (const journal of journals) await journal.close();
  }
}

function roundOf({ attempt }: TaskRun, input: OfVm) {
  return { run: input.run, round: input.kind === 'round' ? input.round : ('last' as const), attempt };
}

/** A running VM's top layers go as they are. */
export function topTransfers({ chain }: OfVm): LayerTransfer[] {
  const transfers = topsOf(chain.layers);
  const other = transfers.find(({ treatment }) => treatment !== 'direct');
  if (other === undefined) return transfers;
  throw new LayerMoverError('ROUND_REFUSED', `the top layer of ${chain.vm} changes: it can’t be deduplicated`, {
    hint: 'bring agent and functions to the same version',
    data: { vm: chain.vm, treatment: other.treatment },
  });
}
