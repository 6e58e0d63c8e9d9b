import { LayerMoverError } from '../../../core/errors.ts';
import type { Workflow } from '../../../core/ports.ts';
import { workflowDefinition } from '../../../infra/workflow/definition.ts';
import { ServiceError } from '../../../localstack/errors.ts';
import { createStates } from '../../../localstack/states/api.ts';
import { SimulatedClock } from '../../localstack/states-cloud.ts';
import { createTestCloud } from './cloud.ts';

const MACHINE = 'arn:aws:states:eu-central-1:000000000000:stateMachine:workflow';

export interface Execution {
  readonly status: string;
  readonly error?: string;
  readonly cause?: string;
}

/** All functions in memory under the real workflow definition, run by the embedded cloud's interpreter on a simulated clock. */
export function createRunningCloud() {
  const clock = new SimulatedClock();
  const states = createStates({
    machines: [{ arn: MACHINE, name: 'workflow', definition: workflowDefinition('steps') }],
    clock,
    random: () => 0.5,
    putEvents: async () => ({ FailedEntryCount: 0, Entries: [] }),
    invoke: async (_, payload) => {
      try {
        return { payload: await cloud.step(payload) };
      } catch (error) {
        return { error: { errorType: (error as Error).name, errorMessage: (error as Error).message } };
      }
    },
  });

  const send = async (target: string, body: object) => {
    try {
      return await states.call(target, body);
    } catch (error) {
      if (error instanceof ServiceError && /^Task/.test(error.code))
        throw new LayerMoverError('TOKEN_DEAD', error.code);
      throw error;
    }
  };
  const workflow: Workflow = {
    start: async (id, input) => {
      await send('StartExecution', { stateMachineArn: MACHINE, name: id, input: JSON.stringify(input) });
    },
    succeed: async (taskToken, output) => {
      await send('SendTaskSuccess', { taskToken, output: JSON.stringify(output) });
    },
    fail: async (taskToken, error) => {
      await send('SendTaskFailure', { taskToken, error: error.code, cause: JSON.stringify(error) });
    },
    beat: async (taskToken) => {
      await send('SendTaskHeartbeat', { taskToken });
    },
  };
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.schedule(ms, resolve));
  const cloud = createTestCloud({
    clock: { nowMs: () => clock.nowMs(), sleep },
    ports: { workflow: workflow as never },
  });

  const executionArn = (id: string) => `${MACHINE.replace(':stateMachine:', ':execution:')}:${id}`;
  return {
    ...cloud,
    time: clock,
    execution: async (id: string) =>
      (await states.call('DescribeExecution', { executionArn: executionArn(id) })) as Execution,
    history: async (id: string) => {
      const { events } = (await states.call('GetExecutionHistory', {
        executionArn: executionArn(id),
        maxResults: 1000,
      })) as {
        events: { type: string; [details: string]: unknown }[];
      };
      return events;
    },
  };
}

export type RunningCloud = ReturnType<typeof createRunningCloud>;
