import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import { createWorkflow } from '../../../adapters/aws/workflow.ts';
import { createManualClock, type ManualClock } from '../../../adapters/memory/manual-clock.ts';
import { createMemoryWorkflow, type TokenOutcome } from '../../../adapters/memory/workflow.ts';
import type { Workflow } from '../../../core/ports.ts';
import { createStates } from '../../../localstack/states/api.ts';
import { startJsonServer } from './json-server.ts';

export const HEARTBEAT_SECONDS = 60;
const ACCOUNT = 'eu-central-1:000000000000';
const MACHINE = `arn:aws:states:${ACCOUNT}:stateMachine:mover`;

/** A workflow whose every execution waits for one token, with a heartbeat. */
export interface WorkflowCloud {
  readonly workflow: Workflow;
  readonly clock: ManualClock;
  /** The token that the execution waits for, and what becomes of it. */
  waiting(id: string): Promise<{ token: string; outcome(): Promise<TokenOutcome> }>;
  /** Lets the heartbeat's time pass. */
  miss(token: string): Promise<void>;
  close(): Promise<void>;
}

export const workflowClouds: readonly { name: string; start(): Promise<WorkflowCloud> }[] = [
  { name: 'memory', start: startMemory },
  { name: 'aws (embedded Step Functions)', start: startAws },
];

async function startMemory(): Promise<WorkflowCloud> {
  const workflow = createMemoryWorkflow();
  const clock = createManualClock();
  return {
    workflow,
    clock,
    async waiting(id) {
      const outcome = workflow.wait(`token of ${id}`);
      return { token: `token of ${id}`, outcome: () => outcome };
    },
    miss: async (token) => workflow.abandon(token),
    close: async () => {},
  };
}

async function startAws(): Promise<WorkflowCloud> {
  const clock = createManualClock();
  const tokens = new Map<string, string>();
  const states = createStates({
    machines: [{ arn: MACHINE, name: 'mover', definition }],
    clock: scheduling(clock),
    random: () => 0.5,
    putEvents: async () => ({ FailedEntryCount: 0, Entries: [] }),
    async invoke(_name, payload) {
      const { token, id } = payload as { token: string; id: string };
      tokens.set(id, token);
      return { payload: null };
    },
  });
  const server = await startJsonServer((_service, operation, body) => states.call(operation, body));
  const client = new SFNClient(server.config);

  async function outcome(id: string): Promise<TokenOutcome> {
    await clock.advance(0);
    const executionArn = MACHINE.replace('stateMachine', 'execution').concat(`:${id}`);
    const ended = await client.send(new DescribeExecutionCommand({ executionArn }));
    if (ended.status === 'SUCCEEDED') return { status: 'succeeded', output: JSON.parse(ended.output!) };
    const error = JSON.parse(ended.cause!);
    if (ended.error !== error.code) throw new Error(`the state failed with ${ended.error}`);
    return { status: 'failed', error };
  }

  return {
    workflow: createWorkflow({ client, stateMachineArn: MACHINE }),
    clock,
    async waiting(id) {
      await clock.advance(0);
      return { token: tokens.get(id)!, outcome: () => outcome(id) };
    },
    miss: () => clock.advance((HEARTBEAT_SECONDS + 1) * 1000),
    async close() {
      client.destroy();
      await states.stop();
      await server.close();
    },
  };
}

const definition = {
  StartAt: 'Only',
  States: {
    Only: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: {
        FunctionName: `arn:aws:lambda:${ACCOUNT}:function:keep`,
        Payload: { 'token.$': '$$.Task.Token', 'id.$': '$.id' },
      },
      HeartbeatSeconds: HEARTBEAT_SECONDS,
      TimeoutSeconds: 3600,
      End: true,
    },
  },
};

/** The embedded cloud makes appointments where the product sleeps. */
function scheduling(clock: ManualClock) {
  return {
    nowMs: clock.nowMs,
    schedule(delayMs: number, action: () => void) {
      const cancelled = new AbortController();
      clock.sleep(delayMs, cancelled.signal).then(action, () => {});
      return () => cancelled.abort();
    },
  };
}
