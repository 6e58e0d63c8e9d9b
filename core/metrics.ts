import type { Treatment } from './treatments.ts';

/** Where CloudWatch keeps our metrics. */
export const METRICS_NAMESPACE = 'LayerMover';

/** The dimension that tells deployments apart: the name of the stack. Its name is that of Powertools for AWS Lambda. */
export const STACK_DIMENSION = 'service';

/** What the functions measure, by unit. One list: dashboard and alarms read no metric that nobody writes. */
export const metrics = {
  /** Bytes that layers hold, by treatment: of each layer once it is sent, or left out. */
  LogicalBytes: 'Bytes',
  /** Bytes that sources sent for them: packs, manifests, fingerprints. */
  WireBytes: 'Bytes',
  /** The share of a dedup layer's bytes that the store had. */
  DedupShare: 'Percent',
  /** What an agent took to send a VM's top layer, or what changed in it. */
  RoundTime: 'Milliseconds',
  /** How long a running VM stood still; of live migrations only. */
  Blackout: 'Milliseconds',
  /** From when a task is posted until an agent takes it. */
  TaskQueueTime: 'Milliseconds',
  /** How long nothing of a migration has moved, while agents work on it. */
  Standstill: 'Milliseconds',
  /** Bytes of a namespace's objects that something needs, as a garbage collection has found them. */
  NeededBytes: 'Bytes',
  /** Bytes that nothing needs, and that wait until their grace is over. */
  IdleBytes: 'Bytes',
  /** Bytes that a garbage collection removed. */
  RemovedBytes: 'Bytes',
  /** Tasks whose agent stopped polling. */
  SilentAgents: 'Count',
  /** Requests that tables, store or workflow refused because they came too fast. They are made again. */
  Throttles: 'Count',
} as const;
export type MetricName = keyof typeof metrics;

/** Metrics that are told apart by a treatment. */
export const BY_TREATMENT = ['LogicalBytes', 'WireBytes'] as const satisfies readonly MetricName[];

/** Notes a value. `treatment` is for the metrics of BY_TREATMENT. */
export type Measure = (name: MetricName, value: number, treatment?: Treatment) => void;
