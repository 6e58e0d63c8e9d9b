import { GraphWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { MetricName } from '../../core/metrics.ts';
import { TREATMENTS } from '../../core/treatments.ts';
import type { ControlPlane } from '../control-plane.ts';
import { measured } from './metrics.ts';
import type { Watch } from './watch.ts';

const WIDE = { width: 12, height: 6 };

/** The dashboard, row by row. */
export function graphs(controlPlane: ControlPlane, stack: string, watches: readonly Watch[]): GraphWidget[][] {
  return [
    migrations(controlPlane, watches),
    bytes(stack),
    times(stack),
    store(controlPlane, stack, watches),
    calls(controlPlane, watches),
    troubles(stack, watches),
  ];
}

const metricOf = (watches: readonly Watch[], ...names: string[]) =>
  watches.filter(({ name }) => names.includes(name)).map(({ metric }) => metric);

function migrations({ machine }: ControlPlane, watches: readonly Watch[]): GraphWidget[] {
  return [
    new GraphWidget({
      ...WIDE,
      title: 'Migrations',
      left: [
        machine.metricStarted(),
        machine.metricSucceeded(),
        ...metricOf(watches, 'MigrationFailed', 'MigrationStuck'),
      ],
    }),
    new GraphWidget({
      ...WIDE,
      title: 'How long they take',
      left: [machine.metricTime({ statistic: 'p50' }), machine.metricTime({ statistic: 'p99' })],
    }),
  ];
}

function bytes(stack: string): GraphWidget[] {
  const held = TREATMENTS.map((treatment) => measured(stack, 'LogicalBytes', { treatment, label: treatment }));
  const sent = TREATMENTS.filter((treatment) => treatment !== 'skip').map((treatment) =>
    measured(stack, 'WireBytes', { treatment, label: `${treatment}, sent` }),
  );
  const share = measured(stack, 'DedupShare', { statistic: 'Average', label: 'found in the store, %' });
  return [
    new GraphWidget({ ...WIDE, title: 'Bytes of layers, by treatment', left: held, stacked: true }),
    new GraphWidget({ ...WIDE, title: 'Bytes sent, and the share that the store had', left: sent, right: [share] }),
  ];
}

function times(stack: string): GraphWidget[] {
  const of = (name: MetricName, statistic: string) =>
    measured(stack, name, { statistic, label: `${name} ${statistic}` });
  return [
    new GraphWidget({
      ...WIDE,
      title: 'Rounds and blackout, ms',
      left: [of('RoundTime', 'p50'), of('RoundTime', 'p99')],
      right: [of('Blackout', 'p50'), of('Blackout', 'Maximum')],
    }),
    new GraphWidget({
      ...WIDE,
      title: 'What waits: tasks for an agent, migrations for anything, ms',
      left: [of('TaskQueueTime', 'p50'), of('TaskQueueTime', 'Maximum')],
      right: [of('Standstill', 'Maximum')],
    }),
  ];
}

function store({ collector }: ControlPlane, stack: string, watches: readonly Watch[]): GraphWidget[] {
  const of = (name: MetricName, label: string) => measured(stack, name, { label });
  return [
    new GraphWidget({
      ...WIDE,
      title: 'Bytes in the store, as garbage collections find them',
      left: [of('NeededBytes', 'needed'), of('IdleBytes', 'not needed, and wait'), of('RemovedBytes', 'removed')],
    }),
    new GraphWidget({
      ...WIDE,
      title: 'Garbage collections',
      left: [collector.metricStarted(), collector.metricSucceeded(), ...metricOf(watches, 'GarbageCollectionFailed')],
    }),
  ];
}

function calls({ api, functions }: ControlPlane, watches: readonly Watch[]): GraphWidget[] {
  return [
    new GraphWidget({
      ...WIDE,
      title: 'API',
      left: [api.metricCount(), api.metricClientError(), ...metricOf(watches, 'ApiErrors')],
      right: [api.metricLatency({ statistic: 'p99' })],
    }),
    new GraphWidget({
      ...WIDE,
      title: 'Functions: p99 in ms',
      left: Object.values(functions).map(({ lambda }) => lambda.metricDuration({ statistic: 'p99' })),
    }),
  ];
}

function troubles(stack: string, watches: readonly Watch[]): GraphWidget[] {
  const seen = ['AgentSilent', 'FunctionErrors', 'FunctionThrottles', 'TableReadThrottles', 'TableWriteThrottles'];
  const throttles = measured(stack, 'Throttles', { label: 'requests of functions that came too fast' });
  return [
    new GraphWidget({ ...WIDE, title: 'What should not be', left: [...metricOf(watches, ...seen), throttles] }),
    new GraphWidget({ ...WIDE, title: 'Cost', left: metricOf(watches, 'CostPerHour') }),
  ];
}
