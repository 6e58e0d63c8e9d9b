import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus } from 'aws-cdk-lib/aws-events';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { type TableId, tables } from '../adapters/aws/tables.ts';
import { DEFAULT_NAMESPACE, PUBLIC_NAMESPACE } from '../core/api/names.ts';
import { limits } from '../core/limits.ts';
import {
  EMULATED_CALLERS,
  FUNCTIONS,
  type FunctionName,
  type Setting,
  settings,
  tableSetting,
  uses,
} from '../functions/settings.ts';
import { acknowledgeKeys } from './acknowledge.ts';
import { createAgentRole } from './agent-role.ts';
import { createApi } from './api.ts';
import type { Bundles } from './bundles.ts';
import { MoverFunction } from './function.ts';
import { CollectionSchedule, type GarbageCollectionProps } from './garbage-collection.ts';
import { createMachine } from './machine.ts';
import { Requests } from './requests.ts';
import { keyActions, MACHINE_RIGHTS, OBJECT_RIGHTS, TABLE_RIGHTS } from './rights.ts';
import type { ScheduledRequest } from './schedules.ts';
import type { Storage } from './storage.ts';
import { collectionDefinition } from './workflow/collection.ts';
import { workflowDefinition } from './workflow/definition.ts';

/** What a deployment may set of its control plane. */
export interface ControlPlaneSettings {
  /**
   * One fingerprint in so many has an index row; 1 = every one: exact, and as many times the writes. It belongs to the index
   * that is there: `layermover index rebuild` makes that again for another one. Default: 8.
   */
  readonly indexSampling?: number;
  /**
   * For emulators alone, whose gateway neither checks signatures nor tells who signed: callers are taken for whom their
   * access key id names. On AWS this would let anybody who is admitted name anybody. Default: false.
   */
  readonly emulatedCallers?: boolean;
  /** Migrations and evacuations that are asked for again and again. Default: none. */
  readonly schedules?: readonly ScheduledRequest[];
  /** Days that logs of functions, workflow and API are kept: a number that CloudWatch Logs knows. Default: 30. */
  readonly logDays?: number;
  /** Calls a second that the API lets through of all callers together; a busy host makes about ten. Default: 500. */
  readonly callsPerSecond?: number;
  /** Calls that may come at once on top of that. Default: 1000. */
  readonly callsBurst?: number;
  /** Memory of a function in MiB; its share of a processor grows with it. Default: 512; of `fingerprints` and `rebuild`, 1769. */
  readonly memoryMib?: Readonly<Partial<Record<FunctionName, number>>>;
  /** When what nothing needs leaves the store, and what that is. Default: every 7 days; layers after 180 days without use. */
  readonly garbageCollection?: GarbageCollectionProps;
}

export interface ControlPlaneProps extends ControlPlaneSettings {
  readonly storage: Storage;
  readonly bundles: Bundles;
  /** Those that are collected by the schedule, beside `public`. Default: `default`. */
  readonly namespaces?: readonly string[];
}

/** What can be made anew from code: functions, workflow, API, bus, and the role that agents get sessions of. */
export class ControlPlane extends Construct {
  readonly api: RestApi;
  readonly machine: StateMachine;
  /** Garbage collection's. */
  readonly collector: StateMachine;
  readonly bus: EventBus;
  readonly requests: Requests;
  readonly functions: Readonly<Record<FunctionName, MoverFunction>>;

  constructor(scope: Construct, id: string, props: ControlPlaneProps) {
    super(scope, id);
    const { storage, bundles, indexSampling = limits.index_sampling_default, schedules = [] } = props;
    const { logDays = limits.log_days, memoryMib = {}, garbageCollection = {} } = props;
    this.bus = new EventBus(this, 'Bus');
    const made = FUNCTIONS.map((name) => [
      name,
      createFunction(this, name, { code: bundles[name], logDays, memoryMib: memoryMib[name] }),
    ]);
    this.functions = Object.fromEntries(made);
    this.machine = createMachine(this, 'Workflow', this.functions.steps, { logDays, definitionOf: workflowDefinition });
    this.collector = createMachine(this, 'Collector', this.functions.gc, {
      logDays,
      definitionOf: collectionDefinition,
    });
    const agentRole = createAgentRole(this, storage, this.functions.tasks);
    const values: Record<Setting, string> = {
      bucket: storage.bucket.bucketName,
      key: storage.key.keyArn,
      machine: this.machine.stateMachineArn,
      collector: this.collector.stateMachineArn,
      bus: this.bus.eventBusName,
      agentRole: agentRole.roleArn,
      sampling: String(indexSampling),
      unusedDays: String(garbageCollection.layerUnusedDays ?? limits.layer_unused_days_default),
    };
    for (const name of FUNCTIONS) {
      this.#tell(name, values, storage);
      this.#allow(name, storage);
    }
    const { requests, steps, gc: _, ...answering } = this.functions;
    if (props.emulatedCallers) {
      for (const { lambda } of Object.values(answering)) lambda.addEnvironment(EMULATED_CALLERS, '1');
    }
    const { bus, machine } = this;
    const { bucketName } = storage.bucket;
    this.requests = new Requests(this, 'Events', { bus, bucketName, requests, steps, machine, schedules });
    new CollectionSchedule(this, 'CollectionSchedule', {
      machine: this.collector,
      namespaces: [...(props.namespaces ?? [DEFAULT_NAMESPACE]), PUBLIC_NAMESPACE],
      refused: this.requests.refused,
      schedule: garbageCollection.schedule,
    });
    this.api = createApi(this, answering, {
      logDays,
      callsPerSecond: props.callsPerSecond ?? limits.api_calls_per_second,
      callsBurst: props.callsBurst ?? limits.api_calls_burst,
    });
  }

  /** Sets the environment variables that a function reads. */
  #tell(name: FunctionName, values: Readonly<Record<Setting, string>>, { tables: made }: Storage): void {
    const { lambda } = this.functions[name];
    for (const setting of uses[name].settings) lambda.addEnvironment(settings[setting], values[setting]);
    for (const table of tablesOf(name)) lambda.addEnvironment(tableSetting(table), made[table].tableName);
  }

  /** Grants what a function needs of each resource, and no more. */
  #allow(name: FunctionName, { bucket, key, tables: made }: Storage): void {
    const fn = this.functions[name];
    for (const table of tablesOf(name))
      fn.allow(TABLE_RIGHTS[uses[name].tables[table]!], ...arnsOf(table, made[table]));
    for (const { actions, keys } of OBJECT_RIGHTS[name] ?? []) {
      fn.allow(actions, keys === undefined ? bucket.bucketArn : bucket.arnForObjects(keys));
      if (keys !== undefined) acknowledgeKeys(fn.role, bucket, keys, EVERY_NAMESPACE);
    }
    const onKey = keyActions((OBJECT_RIGHTS[name] ?? []).flatMap(({ actions }) => actions));
    if (onKey.length > 0) fn.allow(onKey, key.keyArn);
    const onMachine = MACHINE_RIGHTS[name];
    if (onMachine !== undefined) fn.allow(onMachine, this.machine.stateMachineArn);
    if (uses[name].settings.includes('collector')) fn.allow(['states:StartExecution'], this.collector.stateMachineArn);
    if (uses[name].settings.includes('bus')) fn.allow(['events:PutEvents'], this.bus.eventBusArn);
  }
}

const EVERY_NAMESPACE =
  'A function serves all namespaces of its deployment; what a caller may reach in them it decides itself.';

/** Of a table and each of its indexes. */
function arnsOf(id: TableId, { tableArn }: Table): string[] {
  return [tableArn, ...Object.keys(tables[id].indexes).map((index) => `${tableArn}/index/${index}`)];
}

function tablesOf(name: FunctionName): TableId[] {
  return Object.keys(uses[name].tables) as TableId[];
}

const PURPOSE: Readonly<Record<FunctionName, string>> = {
  hosts: 'enrolment and polls of agents',
  tasks: 'what agents say of their tasks',
  fingerprints: 'batches of fingerprints against the index',
  migrations: 'what users ask of migrations, and commits',
  layers: 'what the store has',
  garbage: 'what users ask of garbage collection',
  gc: 'the pages of garbage collection',
  rebuild: 'index and placements made anew from packs, damage taken out',
  requests: 'migrations that events ask for',
  steps: 'the workflow’s own steps',
};

/** Batches of fingerprints, and packs that are checked chunk by chunk, want a whole processor. */
const COMPUTING: readonly FunctionName[] = ['fingerprints', 'rebuild'];

function createFunction(
  scope: Construct,
  name: FunctionName,
  given: { code: string; logDays: number; memoryMib: number | undefined },
): MoverFunction {
  const memoryMib = COMPUTING.includes(name) ? limits.batch_memory_mib : limits.function_memory_mib;
  return new MoverFunction(scope, `${name[0]!.toUpperCase()}${name.slice(1)}`, {
    code: given.code,
    logDays: given.logDays,
    description: `LayerMover: ${PURPOSE[name]}`,
    memoryMib: given.memoryMib ?? memoryMib,
    seconds: name === 'steps' ? limits.step_seconds : limits.function_seconds,
  });
}
