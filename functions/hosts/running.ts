import type { PollRequest } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { StreamRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import { streamRecords } from '../agents/streams.ts';
import type { PollDeps } from './deps.ts';

type Running = PollRequest['running'][number];

/** What an agent says it runs, told apart: what is still its own, and what it must stop. */
export async function judgeRunning(
  { tasks }: Pick<PollDeps, 'tasks'>,
  host: HostRef,
  { instance, running }: PollRequest,
): Promise<{ own: Task[]; stop: string[] }> {
  const known = await Promise.all(running.map((each) => tasks.find(each.task)));
  const isOwn = (task: Task | undefined, said: Running): task is Task =>
    task?.state === 'running' && task.host === host && task.instance === instance && task.attempt === said.attempt;
  return {
    own: known.filter((task, at): task is Task => isOwn(task, running[at]!)),
    stop: running.filter((said, at) => !isOwn(known[at], said)).map((said) => said.task),
  };
}

/** Stores what the agent counted so far. Its report has the last word, so that a few of these may be left out. */
export async function storeProgress(deps: PollDeps, own: readonly Task[], running: readonly Running[]): Promise<void> {
  const { migrations, progress, clock } = deps;
  const nowMs = clock.nowMs();
  for (const task of own) {
    const counts = running.find((said) => said.task === task.id)!.progress;
    if (counts.length === 0 || !progress.due(task.id, nowMs)) continue;
    const known = await migrations.streams(task.migration);
    const records = streamRecords(task, counts, { known, nowMs });
    for (const record of records) await migrations.putStream(task.migration, record);
    tellStandstill(deps, task, [...known, ...records]);
  }
}

/** A migration whose tasks have counted nothing new for a while is told of, whichever of its hosts it is that hangs. */
function tellStandstill({ clock, log, measure, standstills }: PollDeps, task: Task, streams: readonly StreamRecord[]) {
  const nowMs = clock.nowMs();
  const movedMs = Math.max(task.postedMs, ...streams.map((stream) => stream.movedMs ?? 0));
  const standstillMs = nowMs - movedMs;
  if (standstillMs < limits.standstill_told_ms || !standstills.due(task.migration, nowMs)) return;
  measure('Standstill', standstillMs);
  log.warn('nothing of this migration has moved for a while', {
    migration: task.migration,
    run: task.input.run,
    task: task.id,
    standstillMs,
  });
}
