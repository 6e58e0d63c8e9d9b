import { describe, expect, it } from 'vitest';
import { relations } from '../../core/limit-relations.ts';
import { limits } from '../../core/limits.ts';
import { stepInput, TASK_STATES } from '../../functions/steps/input.ts';
import { workflowDefinition } from '../../infra/workflow/definition.ts';
import type { Branch, ParallelState, State, TaskState } from '../../infra/workflow/language.ts';
import { loadMachine } from '../../localstack/states/validate.ts';
import { allStates, type Found, innerBranches, isInCycle } from './definition.ts';

const definition = workflowDefinition('arn:aws:lambda:eu-central-1:123456789012:function:steps');
const states = allStates(definition);
const isTask = (found: Found): found is Found & { state: TaskState } => found.state.Type === 'Task';
const tasks = states.filter(isTask).map((found) => [found.name, found] as const);
const isToken = (state: TaskState) => state.Resource.endsWith('.waitForTaskToken');
const tokens = tasks.filter(([, { state }]) => isToken(state));

describe('the definition', () => {
  it('is one that the embedded cloud runs', () => {
    expect(() => loadMachine(definition, 'workflow')).not.toThrow();
  });

  it('ends in time', () => {
    expect(definition.TimeoutSeconds).toBe(limits.migration_seconds_max);
    expect(relations.filter(([, holds]) => !holds)).toEqual([]);
  });

  it('has a token state for each task of agents', () => {
    const kinds = tokens.map(([, { state }]) => state.Parameters.Payload.kind);
    expect(kinds.toSorted()).toEqual([...TASK_STATES].toSorted());
  });
});

/** A payload as it is when its paths are filled in. */
function filled(payload: Readonly<Record<string, unknown>>): object {
  const values: Readonly<Record<string, unknown>> = {
    migration: `m${'0'.repeat(20)}`,
    run: 1,
    token: 't',
    what: 'a/h1',
    vm: 'web-1',
    round: 0,
    error: { Error: 'X', Cause: '' },
  };
  return Object.fromEntries(
    Object.entries(payload).map(([key, value]) => {
      const name = key.replace(/\.\$$/, '');
      return [name, key === name ? value : values[name]];
    }),
  );
}

describe.each(tasks)('%s', (_, { state }) => {
  it('asks for what the steps function takes', () => {
    expect(stepInput.safeParse(filled(state.Parameters.Payload)).error).toBeUndefined();
  });

  it('is tried again, a bounded number of times, when Lambda or the function itself fails', () => {
    const names = state.Retry.flatMap((retrier) => retrier.ErrorEquals);
    expect(names).toEqual(
      expect.arrayContaining([
        'Lambda.ServiceException',
        'Lambda.SdkClientException',
        'Lambda.TooManyRequestsException',
        'INTERNAL',
      ]),
    );
    expect(names).not.toContain('States.ALL');
    for (const { MaxAttempts } of state.Retry) expect(MaxAttempts).toBeGreaterThan(0);
  });

  it('ends in time, and its own time ends within the migration’s', () => {
    expect(state.TimeoutSeconds).toBeGreaterThan(0);
    expect(state.TimeoutSeconds).toBeLessThanOrEqual(limits.migration_seconds_max);
  });

  it('keeps no more than it needs', () => {
    if (state.ResultPath !== null) expect(Object.keys(state.ResultSelector ?? {})).not.toEqual([]);
  });
});

describe.each(tokens)('%s waits for an agent', (_, { state, within }) => {
  it('with a heartbeat that a polling agent keeps', () => {
    expect(state.HeartbeatSeconds).toBe(limits.task_heartbeat_seconds);
    expect(state.HeartbeatSeconds).toBeLessThan(state.TimeoutSeconds);
  });

  it('and hands the task out anew when the agent falls silent', () => {
    const retrier = state.Retry.find((each) => each.ErrorEquals.includes('States.HeartbeatTimeout'));
    expect(retrier).toMatchObject({
      ErrorEquals: ['States.HeartbeatTimeout', 'States.Timeout'],
      MaxAttempts: limits.task_attempts_max - 1,
    });
  });

  it('and is caught, by itself or by what it is in', () => {
    const around = states.filter((found) => within.includes(found.name)).map((found) => found.state);
    const caught = [state, ...around].flatMap((each) => ('Catch' in each ? (each.Catch ?? []) : []));
    expect(caught).toContainEqual(expect.objectContaining({ ErrorEquals: ['States.ALL'], ResultPath: '$.error' }));
  });
});

describe('whatever fails', () => {
  const top = definition.States;
  it.each(['Prepare', 'Survey', 'Plan', 'Transfer'])('in %s is rolled back', (name) => {
    expect(top[name]).toMatchObject({ Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Rollback' }] });
  });

  it('beside a VM that moves is caught by nobody but the whole', () => {
    const beside = states.filter(({ within }) => within.at(-1) === 'Transfer').map(({ name }) => name);
    expect(beside.toSorted()).toEqual(['HasBases', 'IsToFetch', 'Move', 'PullBases', 'PushFromSources']);
    for (const { state } of states.filter(({ name }) => beside.includes(name)))
      expect(state).not.toHaveProperty('Catch');
  });

  it('of one VM rolls back that VM', () => {
    const inMove = states.filter((found) => found.within.at(-1) === 'Move' && 'Catch' in found.state);
    expect(inMove.map((found) => found.name)).toEqual(['MoveVm', 'Verify', 'Commit']);
    for (const { state } of inMove) expect(state).toMatchObject({ Catch: [{ Next: 'RollbackVm' }] });
  });

  it('comes to Finish, which is tried for longer than an outage lasts', () => {
    expect(top.Rollback).toMatchObject({ Next: 'Ending', Catch: [{ Next: 'Ending' }] });
    expect(top.Ending).toMatchObject({ Next: 'Finish' });
    const [retrier] = (top.Finish as TaskState).Retry;
    expect(retrier?.MaxAttempts).toBe(limits.last_step_attempts_max - 1);
  });
});

describe('the transfer', () => {
  const [sources, destination] = (definition.States.Transfer as ParallelState).Branches;

  it('moves VMs once their sources have pushed the base layers, beside the fetch', () => {
    expect(sources).toMatchObject({ StartAt: 'PushFromSources' });
    expect(sources!.States).toMatchObject({ PushFromSources: { Next: 'Move' }, Move: { End: true } });
    expect(Object.keys(destination!.States)).toContain('PullBases');
  });

  it('fetches nothing where no base layer is to come', () => {
    expect(destination).toMatchObject({
      StartAt: 'IsToFetch',
      States: {
        IsToFetch: {
          Choices: [{ Variable: '$.planned.seeding', BooleanEquals: true, Next: 'PullBases' }],
          Default: 'HasBases',
        },
        HasBases: { Type: 'Succeed' },
      },
    });
  });
});

describe('an execution’s history', () => {
  /** How often a state that is in a cycle is entered at the most. */
  const visits: Readonly<Record<string, number>> = {
    DecideRound: limits.rounds_max + 1,
    AfterRound: limits.rounds_max + 1,
    PreCopyRound: limits.rounds_max,
    Finish: limits.cleanup_rounds_max,
    HowEnded: limits.cleanup_rounds_max,
  };

  it('has a bound for every cycle', () => {
    expect(
      states
        .filter(isInCycle)
        .map((found) => found.name)
        .toSorted(),
    ).toEqual(Object.keys(visits).toSorted());
  });

  it('stays below the bound in the worst case: everything is done, and all of it as often as it may be', () => {
    expect(1 + eventsOf(definition) + 1).toBeLessThan(limits.history_events_max);
  });

  /** Events of a branch in which every state is entered, cycles as often as they may be: more than any path makes. */
  function eventsOf(branch: Branch): number {
    return Object.entries(branch.States).reduce(
      (sum, [name, state]) => sum + (visits[name] ?? 1) * eventsOfState(state),
      0,
    );
  }

  /** Entered and exited, and between them what AWS writes down for each type of state. */
  function eventsOfState(state: State): number {
    const inner = innerBranches(state).reduce((sum, branch) => sum + eventsOf(branch), 0);
    switch (state.Type) {
      case 'Task': {
        const attempts = 1 + state.Retry.reduce((sum, retrier) => sum + retrier.MaxAttempts, 0);
        return 2 + attempts * (isToken(state) ? 4 : 3);
      }
      case 'Parallel':
        return 4 + inner;
      case 'Map':
        return 4 + limits.gang_vms_max * (2 + inner);
      default:
        return 2;
    }
  }
});
