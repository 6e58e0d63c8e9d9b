import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from './assembly/load.ts';
import type { CloudModel } from './assembly/model.ts';
import { type Clock, systemClock } from './clock.ts';
import { createFront } from './cloud/front.ts';
import { type Handler, LOOPBACK, listen } from './cloud/listener.ts';
import { operatorKey } from './cloud/operator.ts';
import { openServices } from './cloud/services.ts';
import { ensureTables, openDynamo } from './dynamodb/dynamodb.ts';
import { type AccessKey, KeyStore } from './identity/keys.ts';

export interface CloudOptions {
  /** The directory that the CDK app's synthesis wrote. */
  readonly assemblyDir: string;
  /** Holds objects, tables, executions, keys and logs; one running cloud a directory. */
  readonly dataDir: string;
  /** 0 or none: the port of the last start if it is free, else any. */
  readonly port?: number;
  readonly log?: (line: string) => void;
  readonly clock?: Clock;
}

type Service = 's3' | 'dynamodb' | 'states' | 'events' | 'sts';

/** A running embedded cloud. All its endpoints are one address on the loopback interface. */
export interface Cloud {
  /** URL of the API's (first) stage, without a slash at its end. */
  readonly apiUrl: string;
  readonly endpoints: Readonly<Record<Service, string>>;
  readonly region: string;
  readonly account: string;
  /** May do everything; kept over restarts. */
  readonly operator: AccessKey;
  /** The stack's outputs; URLs of its API lead to this cloud. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Ends requests, executions and functions, and lets go of the data directory. */
  stop(): Promise<void>;
}

/**
 * Stands up what a synthesized CDK app declares.
 * @throws CloudError ASSEMBLY_MISSING, ASSEMBLY_INVALID, RESOURCE_UNSUPPORTED, PROPERTY_UNSUPPORTED, INTRINSIC_UNSUPPORTED,
 * INTRINSIC_INVALID, DEFINITION_REFUSED, DATA_DIR_IN_USE, DATA_DIR_INVALID, TABLE_CHANGED, TABLE_REFUSED, PORT_IN_USE
 */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { dataDir, log = () => {}, clock = systemClock } = options;
  const model = loadModel(options.assemblyDir);
  for (const [type, reason] of Object.entries(model.ignored)) log(`ignored ${type}: ${reason}`);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });

  await using opened = new AsyncDisposableStack();
  // The tables come first: their lock tells whether the data directory is free.
  const dynamo = await openDynamo({ dir: join(dataDir, 'tables'), account: model.account, region: model.region });
  opened.defer(() => dynamo.close());
  const front = Promise.withResolvers<Handler>();
  const listener = await listen((req, res) => void front.promise.then((handle) => handle(req, res)), {
    wanted: options.port,
    file: join(dataDir, 'port.json'),
    clock,
  });
  opened.defer(() => listener.close());
  await ensureTables(dynamo, model.tables, clock);

  const url = `http://${LOOPBACK}:${listener.port}`;
  const keys = new KeyStore(clock);
  const operator = operatorKey(dataDir, model.account, keys);
  const services = openServices({ model, dataDir, clock, keys, endpointUrl: url, dynamo });
  opened.defer(() => services.close());
  front.resolve(createFront(services.handlers, clock, log));
  services.resume();
  log(`listening on ${url}`);

  const running = opened.move();
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await listener.close();
    await running.disposeAsync();
  };
  return {
    ...describe(model, url),
    operator,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function describe(model: CloudModel, url: string): Omit<Cloud, 'operator' | 'stop'> {
  const { account, region, api } = model;
  const [stage] = api?.stages ?? [];
  const onAws = `https://${api?.id}.execute-api.${region}.amazonaws.com`;
  const outputs = Object.entries(model.outputs).map(([name, value]) => [name, value.replaceAll(onAws, url)] as const);
  return {
    apiUrl: stage === undefined ? url : `${url}/${stage.name}`,
    endpoints: { s3: url, dynamodb: url, states: url, events: url, sts: url },
    region,
    account,
    outputs: Object.fromEntries(outputs),
  };
}
