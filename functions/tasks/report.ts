import type { TaskResult } from '../../core/api/tasks.ts';
import { hasCode } from '../../core/errors.ts';
import type { Task, TaskOutcome } from '../../core/task.ts';
import { attemptStale, requireOwnTask } from '../agents/access.ts';
import { streamRecords } from '../agents/streams.ts';
import { boundedError } from '../records/bounded-error.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { TaskDeps } from './deps.ts';
import { measureResult } from './measure-result.ts';
import { storeRegistered } from './registered.ts';
import { storeBlackout, storeRound } from './rounds.ts';
import { assertSent } from './sent.ts';
import { assertRegistered, assertSurvey } from './survey.ts';

/**
 * The end of a task: closes it on the board, stores what it found, tells the workflow. Each part may be done again, so
 * that an agent which got no answer reports once more. Throws BODY_INVALID, LAYER_NOT_SENT, ATTEMPT_STALE.
 */
export async function report(deps: TaskDeps, call: Call<'reportTask'>) {
  const { attempt } = call.body;
  const task = await requireOwnTask(deps, call, call.path.task);
  const outcome = readOutcome(task, call.body.outcome);
  if (outcome.status === 'done') await assertSent(deps, task);
  if (!(await deps.tasks.close(task.id, attempt, outcome))) throw attemptStale(task.id, attempt);
  if (outcome.status === 'done') await store(deps, task, outcome.result);
  await tell(deps, task, outcome);
  return { ok: true as const };
}

type Told = Exclude<TaskOutcome, { status: 'cancelled' }>;

/** Refuses (BODY_INVALID) what is no result of this task, before anything is closed. */
function readOutcome({ id, input }: Task, outcome: Call<'reportTask'>['body']['outcome']): Told {
  if (outcome.status === 'failed') return { status: 'failed', error: boundedError(outcome.error) };
  const { result } = outcome;
  if (result.kind !== input.kind) throw bodyInvalid(`${id} is a ${input.kind}, its result is of a ${result.kind}`);
  if (input.kind === 'round' && result.kind === 'round' && result.stats.round !== input.round)
    throw bodyInvalid(`${id} is round ${input.round}, not ${result.stats.round}`);
  if (input.kind === 'register' && result.kind === 'register') assertRegistered(result.layers);
  if (input.kind === 'survey' && result.kind === 'survey') assertSurvey(input.vms, result.vms);
  return outcome;
}

async function store(deps: TaskDeps, task: Task, result: TaskResult): Promise<void> {
  const { migrations, clock, measure } = deps;
  if (result.kind === 'survey') {
    const { run } = task.input;
    for (const { name, layers } of result.vms)
      await migrations.updateVm(task.migration, { name, run }, { surveyed: layers });
  } else {
    if (result.kind === 'register') await storeRegistered(deps, task, result.layers);
    if (result.kind === 'round') await storeRound(migrations, task, result.stats);
    if (result.kind === 'cutover') await storeBlackout(migrations, task, result.blackout);
    const streams = streamRecords(task, result.streams, { known: [], nowMs: clock.nowMs() });
    for (const record of streams) await migrations.putStream(task.migration, record);
    measureResult(measure, task, result, streams);
  }
}

/** The workflow hears that the task is done, not what it found: that is in the records. */
async function tell({ workflow }: TaskDeps, { id, token }: Task, outcome: Told): Promise<void> {
  try {
    if (outcome.status === 'done') await workflow.succeed(token, { task: id });
    else await workflow.fail(token, outcome.error);
  } catch (error) {
    if (!hasCode(error, 'TOKEN_DEAD')) throw error;
  }
}
