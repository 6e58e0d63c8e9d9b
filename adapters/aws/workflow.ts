import {
  ExecutionAlreadyExists,
  InvalidToken,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  type SFNClient,
  StartExecutionCommand,
  TaskDoesNotExist,
  TaskTimedOut,
} from '@aws-sdk/client-sfn';
import type { ErrorJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Workflow } from '../../core/ports.ts';
import { tokenDead } from '../rules/refusals.ts';

/** Executions of one state machine in Step Functions. */
export function createWorkflow({ client, stateMachineArn }: { client: SFNClient; stateMachineArn: string }): Workflow {
  return {
    async start(id, input) {
      try {
        await client.send(new StartExecutionCommand({ stateMachineArn, name: id, input: JSON.stringify(input) }));
      } catch (error) {
        // It runs or has run: an id is made of what the input says.
        if (!(error instanceof ExecutionAlreadyExists)) throw error;
      }
    },
    succeed: (taskToken, output) =>
      toLiving(client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(output) }))),
    fail: (taskToken, error) =>
      toLiving(client.send(new SendTaskFailureCommand({ taskToken, error: error.code, cause: causeOf(error) }))),
    beat: (taskToken) => toLiving(client.send(new SendTaskHeartbeatCommand({ taskToken }))),
  };
}

async function toLiving(sent: Promise<unknown>): Promise<void> {
  try {
    await sent;
  } catch (error) {
    if (error instanceof TaskTimedOut || error instanceof InvalidToken || error instanceof TaskDoesNotExist) {
      throw tokenDead(error);
    }
    throw error;
  }
}

/** The error as JSON; where it is too long for a cause, what matters of it. */
function causeOf(error: ErrorJson): string {
  const whole = JSON.stringify(error);
  if (whole.length <= limits.state_payload_bytes_max) return whole;
  return JSON.stringify({ code: error.code, message: error.message.slice(0, limits.notes_characters_max) });
}
