import { Metrics } from '@aws-lambda-powertools/metrics';
import { METRICS_NAMESPACE, type Measure, metrics } from '../core/metrics.ts';

/** Metrics as lines of the log that CloudWatch reads (Embedded Metric Format), by Powertools: no call, no right to make one. */
export function createMeasure(): Measure {
  const written = new Metrics({ namespace: METRICS_NAMESPACE });
  return (name, value, treatment) => {
    const metric = written.singleMetric();
    if (treatment !== undefined) metric.addDimension('treatment', treatment);
    metric.addMetric(name, metrics[name], value);
  };
}
