import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { synthesize } from '../../infra/synth.ts';
import { workflowDefinition } from '../../infra/workflow/definition.ts';
import { ASSEMBLIES } from '../infra/assemblies.ts';
import { allStates } from '../infra/definition.ts';

/** What AWS keeps for us: the bounds must have reached it. */
describe('the synthesized stack', () => {
  let template: Template;
  beforeAll(() => {
    const file = path.join(synthesize(ASSEMBLIES), 'LayerMover.template.json');
    template = Template.fromJSON(JSON.parse(readFileSync(file, 'utf8')));
  });

  /** All values of a property in resources of one type. */
  function values(type: string, ...property: string[]): Set<unknown> {
    const found = Object.values(template.findResources(type)).map(({ Properties }) =>
      property.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], Properties),
    );
    return new Set(found.filter((value) => value !== undefined));
  }

  it('gives functions their memory and their time', () => {
    const memory = values('AWS::Lambda::Function', 'MemorySize');
    expect(memory).toEqual(new Set([limits.function_memory_mib, limits.batch_memory_mib]));
    const seconds = values('AWS::Lambda::Function', 'Timeout');
    for (const known of [limits.function_seconds, limits.step_seconds]) expect(seconds).toContain(known);
    expect(Math.max(...([...seconds] as number[]))).toBe(limits.step_seconds);
  });

  it('has the gateway wait as long as it can, and no longer', () => {
    const waits = values('AWS::ApiGateway::Method', 'Integration', 'TimeoutInMillis');
    expect(waits).toContain(limits.api_seconds_max * 1000);
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(limits.api_seconds_max * 1000);
  });

  it('tries events again and keeps those that nobody took', () => {
    const rules = Object.values(template.findResources('AWS::Events::Rule'));
    const policies = rules.flatMap(({ Properties }) =>
      (Properties.Targets as { RetryPolicy: Record<string, number> }[]).map((target) => target.RetryPolicy),
    );
    const bounded = {
      MaximumRetryAttempts: limits.event_attempts_max - 1,
      MaximumEventAgeInSeconds: limits.event_hours_max * 3600,
    };
    for (const policy of policies) expect(policy).toEqual(bounded);
    expect(values('AWS::SQS::Queue', 'MessageRetentionPeriod')).toContain(limits.refused_events_days * 24 * 3600);
  });

  it('tells of costs beyond so many dollars an hour', () => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmDescription: Match.stringLikeRegexp('CostPerHour'),
      Threshold: limits.dollars_per_hour_default,
    });
  });
});

describe('the workflow', () => {
  const states = allStates(workflowDefinition('arn:aws:lambda:eu-central-1:123456789012:function:steps'));
  const tasks = states.flatMap(({ state }) => (state.Type === 'Task' ? [state] : []));
  const isToken = (resource: string) => resource.endsWith('.waitForTaskToken');

  it('moves so many VMs at a time', () => {
    const move = states.find(({ name }) => name === 'Move')!.state;
    expect(move).toMatchObject({ Type: 'Map', MaxConcurrency: limits.gang_moves_max });
  });

  it.each(tasks)(
    '$Parameters.Payload.step $Parameters.Payload.kind ends in time and waits no longer than it may',
    (task) => {
      const seconds = isToken(task.Resource) ? limits.task_seconds_max : limits.step_state_seconds;
      expect(task.TimeoutSeconds).toBe(seconds);
      for (const { MaxDelaySeconds, IntervalSeconds } of task.Retry) {
        expect(MaxDelaySeconds ?? IntervalSeconds).toBeLessThanOrEqual(limits.step_delay_seconds_max);
      }
      const passing = task.Retry.find(({ ErrorEquals }) => ErrorEquals.includes('Lambda.ServiceException'))!;
      expect([limits.step_attempts_max - 1, limits.last_step_attempts_max - 1]).toContain(passing.MaxAttempts);
    },
  );
});
