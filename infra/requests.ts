import { Duration } from 'aws-cdk-lib';
import { type EventBus, EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { HOST_EVACUATE, MIGRATION_REQUESTED, REQUESTS_PREFIX } from '../core/api/events.ts';
import { limits } from '../core/limits.ts';
import { acknowledge } from './acknowledge.ts';
import type { MoverFunction } from './function.ts';
import type { ScheduledRequest } from './schedules.ts';

export interface RequestsProps {
  readonly bus: EventBus;
  readonly bucketName: string;
  readonly requests: MoverFunction;
  readonly steps: MoverFunction;
  readonly machine: StateMachine;
  readonly schedules: readonly ScheduledRequest[];
}

/** The ways by which events ask for migrations, and what becomes of events that nobody could answer. */
export class Requests extends Construct {
  /** Events that failed for good. */
  readonly refused: Queue;
  readonly #lambda: MoverFunction['lambda'];

  constructor(scope: Construct, id: string, { bus, bucketName, requests, steps, machine, schedules }: RequestsProps) {
    super(scope, id);
    this.#lambda = requests.lambda;
    this.refused = new Queue(this, 'Refused', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(limits.refused_events_days),
    });
    for (const { lambda } of [requests, steps]) {
      lambda.configureAsyncInvoke({
        retryAttempts: limits.event_attempts_max - 1,
        maxEventAge: Duration.hours(limits.event_hours_max),
        onFailure: new SqsDestination(this.refused),
      });
    }
    acknowledge(this.refused, 'AwsSolutions-SQS3', 'This is the dead-letter queue.');
    this.#rule('FromBus', { eventBus: bus, eventPattern: { detailType: [MIGRATION_REQUESTED, HOST_EVACUATE] } });
    this.#rule('FromBucket', {
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: [bucketName] }, object: { key: [{ prefix: REQUESTS_PREFIX }] } },
      },
    });
    for (const [at, scheduled] of schedules.entries()) this.#schedule(`Schedule${at}`, scheduled);
    this.#endStopped(machine, steps);
  }

  #rule(id: string, props: ConstructorParameters<typeof Rule>[2]): void {
    new Rule(this, id, props).addTarget(new LambdaFunction(this.#lambda, this.#delivery()));
  }

  #schedule(id: string, scheduled: ScheduledRequest): void {
    const asks =
      'migrate' in scheduled
        ? { 'detail-type': MIGRATION_REQUESTED, detail: scheduled.migrate }
        : { 'detail-type': HOST_EVACUATE, detail: scheduled.evacuate };
    // Each time is a request of its own.
    const event = RuleTargetInput.fromObject({ id: EventField.eventId, ...asks });
    const target = new LambdaFunction(this.#lambda, { ...this.#delivery(), event });
    new Rule(this, id, { schedule: scheduled.schedule }).addTarget(target);
  }

  /** An execution that is stopped by hand or runs into its time ends no migration by itself. */
  #endStopped(machine: StateMachine, steps: MoverFunction): void {
    const eventPattern = {
      source: ['aws.states'],
      detailType: ['Step Functions Execution Status Change'],
      detail: { stateMachineArn: [machine.stateMachineArn], status: ['ABORTED', 'TIMED_OUT', 'FAILED'] },
    };
    const event = RuleTargetInput.fromObject({ step: 'ended', execution: EventField.fromPath('$.detail.name') });
    const target = new LambdaFunction(steps.lambda, { ...this.#delivery(), event });
    new Rule(this, 'Stopped', { eventPattern }).addTarget(target);
  }

  /** What the function never got. What it got and failed on, its own settings above send to the same queue. */
  #delivery() {
    return {
      deadLetterQueue: this.refused,
      retryAttempts: limits.event_attempts_max - 1,
      maxEventAge: Duration.hours(limits.event_hours_max),
    };
  }
}
