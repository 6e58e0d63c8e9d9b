import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { hasCode } from '../../core/errors.ts';
import { reportable } from '../daemon/reportable.ts';
import { diskFull, isFull } from '../images/room.ts';
import { followLive } from '../live/destination/follow-live.ts';
import { cutover } from './cutover.ts';
import { fetch } from './fetch.ts';
import { follow } from './follow.ts';
import { register } from './register.ts';
import { round } from './round.ts';
import { seed } from './seed.ts';
import { survey } from './survey.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** Does one task. What it throws is what the task failed with; a state folder that is full is DISK_FULL, too. */
export async function perform(host: TaskHost, run: TaskRun, input: TaskInput): Promise<TaskResult> {
  try {
    const result = await doTask(host, run, input);
    await saveMeasures(host);
    return result;
  } catch (error) {
    const { path: folder, files } = host.images;
    const isUntold = isFull(error) && !hasCode(error, 'DISK_FULL');
    throw isUntold ? await diskFull({ files, folder, name: 'the agent’s state', bytes: STATE_BYTES }, error) : error;
  }
}

/** They only better forecasts: no task that is done fails for them. */
async function saveMeasures({ log, measures }: TaskHost): Promise<void> {
  await measures
    .save()
    .catch((error: unknown) => log.warn({ error: reportable(error) }, 'what was measured can’t be kept'));
}

/** What manifests and records take at least, while a task runs. */
const STATE_BYTES = 1024 * 1024;

async function doTask(host: TaskHost, run: TaskRun, input: TaskInput): Promise<TaskResult> {
  switch (input.kind) {
    case 'survey':
      return survey(host, run, input);
    case 'register':
      return register(host, run, input);
    case 'seed':
      return seed(host, run, input);
    case 'fetch':
      return fetch(host, run, input);
    case 'round':
      return round(host, run, input);
    case 'cutover':
      return cutover(host, run, input);
    case 'follow':
      return input.live === undefined ? follow(host, run, input) : followLive(host, run, input);
  }
}
