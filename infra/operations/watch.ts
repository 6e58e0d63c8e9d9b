import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch';

/** An alarm: docs/OPERATIONS.md has a section of its name. */
export interface Watch {
  readonly name: string;
  readonly metric: IMetric;
  readonly above: number;
  readonly description: string;
}
