import { Duration } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { limits } from '../core/limits.ts';

export interface GarbageCollectionProps {
  /** When the namespaces are collected. `false`: by hand alone, with `layermover gc`. Default: every 7 days. */
  readonly schedule?: Schedule | false;
  /** After so many days without a host that holds it, or a migration that used it, a base layer leaves the store. Default: 180. */
  readonly layerUnusedDays?: number;
}

export interface CollectionScheduleProps {
  readonly machine: StateMachine;
  readonly namespaces: readonly string[];
  /** Where it is noted if an execution could not be started. */
  readonly refused: IQueue;
  readonly schedule: Schedule | false | undefined;
}

/** Starts a garbage collection of each namespace again and again. */
export class CollectionSchedule extends Construct {
  constructor(scope: Construct, id: string, { machine, namespaces, refused, schedule }: CollectionScheduleProps) {
    super(scope, id);
    if (schedule === false) return;
    for (const namespace of namespaces) {
      const target = new SfnStateMachine(machine, {
        input: RuleTargetInput.fromObject({ namespace, dry_run: false }),
        deadLetterQueue: refused,
        retryAttempts: limits.event_attempts_max - 1,
        maxEventAge: Duration.hours(limits.event_hours_max),
      });
      new Rule(this, namespace, {
        description: `LayerMover: garbage collection of the namespace ${namespace}`,
        schedule: schedule ?? Schedule.rate(Duration.days(limits.collection_every_days)),
      }).addTarget(target);
    }
  }
}
