import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { collectionInput } from '../../functions/gc/input.ts';
import { collectionDefinition } from '../../infra/workflow/collection.ts';
import type { TaskState } from '../../infra/workflow/language.ts';
import { loadMachine } from '../../localstack/states/validate.ts';
import { allStates, isInCycle } from './definition.ts';

const definition = collectionDefinition('arn:aws:lambda:eu-central-1:123456789012:function:gc');
const tasks = allStates(definition).filter(({ state }) => state.Type === 'Task');

describe('the workflow of garbage collection', () => {
  it('is one that the embedded cloud runs, and ends in time', () => {
    expect(() => loadMachine(definition, 'collector')).not.toThrow();
    expect(definition.TimeoutSeconds).toBe(limits.collection_seconds_max);
  });

  it.each(tasks.map((found) => [found.name, found.state as TaskState] as const))(
    '%s asks for what the gc function takes',
    (_, state) => {
      const values: Readonly<Record<string, unknown>> = {
        namespace: 'default',
        collection: `g${'0'.repeat(20)}`,
        dry_run: true,
        error: { Error: 'X', Cause: '' },
      };
      const filled = Object.entries(state.Parameters.Payload).map(([key, value]) => {
        const name = key.replace(/\.\$$/, '');
        return [name, key === name ? value : values[name]];
      });
      expect(collectionInput.safeParse(Object.fromEntries(filled)).error).toBeUndefined();
    },
  );

  it('tries each state again, and tells of a page that fails for good', () => {
    for (const { name, state } of tasks) {
      const [retrier] = (state as TaskState).Retry;
      expect(retrier?.ErrorEquals, name).toEqual(expect.arrayContaining(['Lambda.ServiceException', 'INTERNAL']));
      expect(retrier?.MaxAttempts, name).toBeGreaterThan(0);
    }
    expect(definition.States.Collect).toMatchObject({ Catch: [{ ErrorEquals: ['States.ALL'], Next: 'GiveUp' }] });
    expect(definition.States.GiveUp).toMatchObject({ Next: 'NotCollected' });
  });

  it('stays below the bound of its history in the worst case', () => {
    const cycle = allStates(definition).filter(isInCycle);
    expect(cycle.map(({ name }) => name)).toEqual(['Collect', 'IsMore']);
    const page = 2 + 3 * limits.step_attempts_max + 2;
    const others = 2 * (2 + 3 * limits.last_step_attempts_max) + 10;
    expect(limits.collection_pages_max * page + others).toBeLessThan(limits.history_events_max);
  });
});
