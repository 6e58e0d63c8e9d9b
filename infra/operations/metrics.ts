import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { limits } from '../../core/limits.ts';
import { METRICS_NAMESPACE, type MetricName, STACK_DIMENSION } from '../../core/metrics.ts';
import { CALL_DOLLARS, STEP_DOLLARS } from '../../core/prices.ts';
import type { Treatment } from '../../core/treatments.ts';
import type { ControlPlane } from '../control-plane.ts';
import type { Storage } from '../storage.ts';

/** What alarms and dashboard look at. An alarm may not add up more than ten metrics. */
const SUM = { statistic: Stats.SUM, period: Duration.minutes(5) };
const HOURLY = { statistic: Stats.SUM, period: Duration.hours(1) };

/** What the functions of a stack measure themselves, over five minutes. */
export function measured(
  stack: string,
  name: MetricName,
  { statistic = Stats.SUM, treatment, label }: { statistic?: string; treatment?: Treatment; label: string },
): Metric {
  const dimensionsMap = { [STACK_DIMENSION]: stack, ...(treatment === undefined ? {} : { treatment }) };
  return new Metric({ ...SUM, namespace: METRICS_NAMESPACE, metricName: name, dimensionsMap, statistic, label });
}

/** Migrations that ran into their time, and those of which nothing has moved for too long. */
export function stuck(stack: string, machine: StateMachine): MathExpression {
  const still = measured(stack, 'Standstill', { statistic: Stats.MAXIMUM, label: 'longest standstill' });
  return new MathExpression({
    ...SUM,
    expression: `FILL(ended,0)+IF(FILL(still,0)>=${limits.standstill_alarm_ms},1,0)`,
    usingMetrics: { ended: machine.metricTimedOut(SUM), still },
    label: 'stuck migrations',
  });
}

/** Garbage collections that failed, or ran into their time. */
export function collectionsFailed({ collector }: ControlPlane): MathExpression {
  return total('collections', 'garbage collections that failed', [
    collector.metricFailed(SUM),
    collector.metricTimedOut(SUM),
  ]);
}

/** One metric of all functions together. */
export function ofFunctions({ functions }: ControlPlane, name: 'Errors' | 'Throttles', label: string): MathExpression {
  return total(
    name.toLowerCase(),
    label,
    Object.values(functions).map(({ lambda }) => lambda.metric(name, SUM)),
  );
}

/** Requests that tables refused because they came too fast. */
export function tableThrottles({ tables }: Storage, what: 'Read' | 'Write'): MathExpression {
  const metrics = Object.values(tables).map((table) => table.metric(`${what}ThrottleEvents`, SUM));
  return total(`${what.toLowerCase()}s`, `${what.toLowerCase()}s that tables refused`, metrics);
}

/** What calls and steps cost in an hour at list price, with all that they set off. Storage and traffic are not in it. */
export function dollarsPerHour({ api, functions }: ControlPlane): MathExpression {
  return new MathExpression({
    expression: `FILL(calls,0)*${CALL_DOLLARS}+FILL(steps,0)*${STEP_DOLLARS}`,
    usingMetrics: { calls: api.metricCount(HOURLY), steps: functions.steps.lambda.metricInvocations(HOURLY) },
    period: Duration.hours(1),
    label: '$ an hour, at list price',
  });
}

/** `id` keeps apart what is shown in one graph. */
function total(id: string, label: string, metrics: readonly IMetric[]): MathExpression {
  const usingMetrics = Object.fromEntries(metrics.map((metric, at) => [`${id}${at}`, metric]));
  return new MathExpression({ ...SUM, expression: `SUM(METRICS('${id}'))`, usingMetrics, label });
}
