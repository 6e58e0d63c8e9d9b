import type { Context } from 'aws-lambda';
import { type FunctionCloud, openCloud, type Telling } from './cloud.ts';
import { createLambdaLog } from './log.ts';
import { createMeasure } from './measure.ts';
import type { FunctionName } from './settings.ts';

type Handler<Event, Answer> = (event: Event) => Promise<Answer>;

/** The Lambda handler of a function: its deployed cloud, its log and its metrics around what `create` makes. */
export function serve<Event, Answer>(
  name: FunctionName,
  create: (deps: FunctionCloud & Telling) => Handler<Event, Answer>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): (event: Event, context: Context) => Promise<Answer> {
  const log = createLambdaLog();
  const measure = createMeasure();
  const onThrottled = (command: string) => {
    measure('Throttles', 1);
    log.warn('a request came too fast for a service', { command });
  };
  const handle = create({ ...openCloud(name, env, onThrottled), log, measure });
  return async (event, context) => {
    log.begin(context);
    try {
      return await handle(event);
    } finally {
      log.end();
    }
  };
}
