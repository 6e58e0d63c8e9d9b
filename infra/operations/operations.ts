import { Duration, Stack } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Dashboard, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { ControlPlane } from '../control-plane.ts';
import type { Storage } from '../storage.ts';
import { graphs } from './graphs.ts';
import { collectionsFailed, dollarsPerHour, measured, ofFunctions, stuck, tableThrottles } from './metrics.ts';
import type { Watch } from './watch.ts';

export interface OperationsProps {
  readonly storage: Storage;
  readonly controlPlane: ControlPlane;
  /** Who hears of alarms. Without it they show on the dashboard alone. */
  readonly alarmTopic?: ITopic | undefined;
  /** US dollars an hour beyond which calls and steps raise an alarm. */
  readonly dollarsPerHourMax: number;
}

/** What an operator looks at, and is called by. */
export class Operations extends Construct {
  readonly dashboard: Dashboard;
  readonly alarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: OperationsProps) {
    super(scope, id);
    const { stackName } = Stack.of(this);
    const watches = watchesOf(props, stackName);
    this.alarms = watches.map((watch) => this.#alarm(watch, props.alarmTopic));
    this.dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.hours(3) });
    for (const row of graphs(props.controlPlane, stackName, watches)) this.dashboard.addWidgets(...row);
  }

  #alarm({ name, metric, above, description }: Watch, topic: ITopic | undefined): Alarm {
    const alarm = new Alarm(this, name, {
      metric,
      alarmDescription: `LayerMover: ${description} Runbook: docs/OPERATIONS.md, ${name}`,
      threshold: above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    if (topic !== undefined) alarm.addAlarmAction(new SnsAction(topic));
    return alarm;
  }
}

function watchesOf({ storage, controlPlane, dollarsPerHourMax }: OperationsProps, stack: string): Watch[] {
  const { machine, api, requests } = controlPlane;
  const period = Duration.minutes(5);
  return [
    {
      name: 'MigrationFailed',
      metric: machine.metricFailed({ period }),
      above: 0,
      description: 'a migration failed; its VMs stay with their sources.',
    },
    {
      name: 'MigrationStuck',
      metric: stuck(stack, machine),
      above: 0,
      description: 'nothing of a migration moves, or it ran into its time limit.',
    },
    {
      name: 'AgentSilent',
      metric: measured(stack, 'SilentAgents', { label: 'agents that fell silent' }),
      above: 0,
      description: 'a host’s agent stopped polling in the middle of a task.',
    },
    {
      name: 'GarbageCollectionFailed',
      metric: collectionsFailed(controlPlane),
      above: 0,
      description: 'garbage collection came to no end; what nothing needs stays in the store.',
    },
    {
      name: 'FunctionErrors',
      metric: ofFunctions(controlPlane, 'Errors', 'errors of functions'),
      above: 0,
      description: 'a function failed for a reason of its own.',
    },
    {
      name: 'FunctionThrottles',
      metric: ofFunctions(controlPlane, 'Throttles', 'throttled functions'),
      above: 0,
      description: 'the account’s concurrency is used up.',
    },
    {
      name: 'RequestsRefused',
      metric: requests.refused.metricApproximateNumberOfMessagesVisible({ period }),
      above: 0,
      description: 'an event could not be answered.',
    },
    {
      name: 'ApiErrors',
      metric: api.metricServerError({ period, statistic: 'Sum' }),
      above: 5,
      description: 'the API answers 5xx.',
    },
    {
      name: 'TableReadThrottles',
      metric: tableThrottles(storage, 'Read'),
      above: 0,
      description: 'a table refuses reads.',
    },
    {
      name: 'TableWriteThrottles',
      metric: tableThrottles(storage, 'Write'),
      above: 0,
      description: 'a table refuses writes.',
    },
    {
      name: 'CostPerHour',
      metric: dollarsPerHour(controlPlane),
      above: dollarsPerHourMax,
      description: 'calls and steps cost more than they should.',
    },
  ];
}
