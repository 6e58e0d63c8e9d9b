import * as z from 'zod';
import { limits } from '../events/limits.ts';
import { pattern } from '../events/pattern.ts';
import type { RuleModel } from './model.ts';
import { parseProperties } from './properties.ts';
import type { ResolvedTemplate } from './scope.ts';

const target = z.object({
  Arn: z.string().regex(/^arn:aws:lambda:/),
  DeadLetterConfig: z.object({ Arn: z.string() }).optional(),
  RetryPolicy: z
    .object({ MaximumRetryAttempts: z.number().int().min(0).max(limits.retries_max).optional() })
    .optional(),
  Input: z.undefined().optional(),
  InputPath: z.undefined().optional(),
  InputTransformer: z
    .object({ InputPathsMap: z.record(z.string(), z.string()).default({}), InputTemplate: z.string() })
    .optional(),
});

const ruleProperties = z.object({
  EventBusName: z.string().default('default'),
  EventPattern: pattern,
  State: z.literal('ENABLED').default('ENABLED'),
  Targets: z.array(target).default([]),
});

/** Rules on buses, with functions as their targets. Those on a schedule are not emulated. */
export function loadRules(template: ResolvedTemplate): RuleModel[] {
  return template.ofType('AWS::Events::Rule').map((resource) => {
    const { EventBusName, EventPattern, Targets } = parseProperties(ruleProperties, resource);
    return {
      bus: EventBusName,
      pattern: EventPattern,
      targets: Targets.map(({ Arn, DeadLetterConfig, RetryPolicy, InputTransformer }) => ({
        functionArn: Arn,
        attempts: 1 + (RetryPolicy?.MaximumRetryAttempts ?? 0),
        ...(DeadLetterConfig === undefined ? {} : { queue: DeadLetterConfig.Arn.replace(/^.*:/, '') }),
        ...(InputTransformer === undefined
          ? {}
          : { transformer: { paths: InputTransformer.InputPathsMap, template: InputTransformer.InputTemplate } }),
      })),
    };
  });
}
