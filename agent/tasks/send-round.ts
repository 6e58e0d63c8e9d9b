import type { LayerTransfer, RoundStats, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { roundCursor } from '../../core/records.ts';
import type { PushJournal } from '../journal/push-journal.ts';
import { TimedSink } from '../live/link.ts';
import type { LiveSession } from '../live/session.ts';
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
  /** Ends the stream. */
  readonly isLast: boolean;
  /** The number, among what this task commits, of the first thing that is committed. */
  readonly sequence: number;
  readonly journal: PushJournal;
}

export interface SentRound {
  readonly stats: RoundStats;
  readonly counts: StreamCounts;
  readonly sequence: number;
  /** Of the last round. */
  readonly layerId: string | undefined;
}

/**
 * Sends what the guest has written to a running VM's top layer since the round before. What an earlier attempt stored is not sent
 * again. Errors: those of LiveSession.round and of pushRound.
 */
export async function sendRound(
  host: TaskHost,
  run: TaskRun,
  input: OfVm,
  session: LiveSession,
  { number, isLast, sequence, journal }: RoundToSend,
): Promise<SentRound> {
  const transfer = topTransfer(input);
  const { stream, layer: surveyed } = transfer;
  const { migration } = input;
  const { geometry, book } = session;
  const { clock, pool, pace, zstd } = host;
  const meter = createMeter(clock, run, stream, journal.spent.milliseconds);
  const before = session.doneBytes;
  const tell = (counts: Counts) => {
    return meter({ ...counts, doneBytes: before + counts.doneBytes, totalBytes: before + counts.totalBytes });
  };
  const spent = journal.spent.wireBytes;
  const sink = new TimedSink(createSink(host, run, migration, transfer), clock);
  const push = { name: surveyed.name, pool, pace, zstd, sink, clock, geometry, book, isLast, sequence };
  const signals = { signal: run.cut, drain: run.signal, progress: tell };
  const earlier = { before: { journal, source: createSource(host, run, migration, transfer) } };
  let pushed: PushedRound | undefined;
  const stats = await session.round({ number, isLast }, run.signal, async (layer) => {
    const totalBytes = before === 0 ? surveyed.data_bytes : 0;
    const runs = touchedRuns(layer.extents(), geometry);
    const { fill } = layer;
    pushed = await pushRound({ ...push, ...signals, ...earlier, totalBytes, layer, fill, runs });
    return { wireBytes: pushed.counts.wireBytes - spent, milliseconds: sink.busyMs };
  });
  const { counts, sequence: next, layerId } = pushed!;
  session.doneBytes += counts.doneBytes;
  if (next > sequence) session.cursor = roundCursor({ ...roundOf(run, input) }, next - 1);
  return { stats, counts: tell(counts), sequence: next, layerId };
}

/** Does `work` with the journal of what a VM's rounds have stored; several rounds of a task share it. */
export async function withRoundJournal<T>(
  host: TaskHost,
  input: OfVm,
  { geometry }: Pick<LiveSession, 'geometry'>,
  work: (journal: PushJournal) => Promise<T>,
): Promise<T> {
  const { migration } = input;
  const transfer = topTransfer(input);
  const { stream } = transfer;
  const journal = await host.journals.open({ scope: scopeOf(host, migration, transfer), migration, stream, geometry });
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

function roundOf({ attempt }: TaskRun, input: OfVm) {
  return { run: input.run, round: input.kind === 'round' ? input.round : ('last' as const), attempt };
}

/** A running VM's top layer goes as it is. */
export function topTransfer({ chain }: OfVm): LayerTransfer {
  const transfer = chain.layers.at(-1)!;
  if (transfer.treatment === 'direct') return transfer;
  throw new LayerMoverError('ROUND_REFUSED', `the top layer of ${chain.vm} changes: it can’t be deduplicated`, {
    hint: 'bring agent and functions to the same version',
    data: { vm: chain.vm, treatment: transfer.treatment },
  });
}
