import * as z from 'zod';
import { limits } from '../events/limits.ts';
import { pattern } from '../events/pattern.ts';
import { parseRecurrence } from '../events/recurrence.ts';
import type { RuleModel, TargetModel } from './model.ts';
import { parseProperties } from './properties.ts';
import type { ResolvedTemplate } from './scope.ts';

const target = z.object({
  Arn: z.string().regex(/^arn:aws:(lambda|states):/),
  /** By which role the target is reached: permissions are not enforced here. */
  RoleArn: z.string().optional(),
  DeadLetterConfig: z.object({ Arn: z.string() }).optional(),
  RetryPolicy: z
    .object({ MaximumRetryAttempts: z.number().int().min(0).max(limits.retries_max).optional() })
    .optional(),
  Input: z.string().optional(),
  InputPath: z.undefined().optional(),
  InputTransformer: z
    .object({ InputPathsMap: z.record(z.string(), z.string()).default({}), InputTemplate: z.string() })
    .optional(),
});

const ruleProperties = z.object({
  EventBusName: z.string().default('default'),
  EventPattern: pattern.optional(),
  ScheduleExpression: z.string().transform(parseRecurrence).optional(),
  State: z.literal('ENABLED').default('ENABLED'),
  Targets: z.array(target).default([]),
});

/** Rules, on buses and on a schedule, with functions and state machines as their targets. */
export function loadRules(template: ResolvedTemplate): RuleModel[] {
  return template.ofType('AWS::Events::Rule').map((resource) => {
    const { EventBusName, EventPattern, ScheduleExpression, Targets } = parseProperties(ruleProperties, resource);
    return {
      arn: resource.identity.attributes.Arn ?? '',
      bus: EventBusName,
      pattern: EventPattern,
      recurrence: ScheduleExpression,
      targets: Targets.map(
        ({ Arn, DeadLetterConfig, RetryPolicy, Input, InputTransformer }): TargetModel => ({
          arn: Arn,
          ...(Input === undefined ? {} : { input: Input }),
          attempts: 1 + (RetryPolicy?.MaximumRetryAttempts ?? 0),
          ...(DeadLetterConfig === undefined ? {} : { queue: DeadLetterConfig.Arn.replace(/^.*:/, '') }),
          ...(InputTransformer === undefined
            ? {}
            : { transformer: { paths: InputTransformer.InputPathsMap, template: InputTransformer.InputTemplate } }),
        }),
      ),
    };
  });
}
