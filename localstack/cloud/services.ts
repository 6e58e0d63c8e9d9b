import { join } from 'node:path';
import { createGateway } from '../api/gateway.ts';
import type { CloudModel } from '../assembly/model.ts';
import { type Clock, systemRandom } from '../clock.ts';
import type { Dynamo } from '../dynamodb/dynamodb.ts';
import { createEvents } from '../events/api.ts';
import { Delivery } from '../events/delivery.ts';
import { Schedules } from '../events/schedule.ts';
import { type CreatedObject, executionEnded, objectCreated } from '../events/sources.ts';
import type { KeyStore } from '../identity/keys.ts';
import { createLambda } from '../lambda/lambda.ts';
import { invokeForStates } from '../lambda/states-port.ts';
import { lambdaVariables } from '../lambda/variables.ts';
import { createS3 } from '../s3/server.ts';
import { createStates } from '../states/api.ts';
import type { ServiceHandler } from './front.ts';
import { jsonService } from './json-service.ts';
import { stsService } from './sts-service.ts';

export interface ServicesDeps {
  readonly model: CloudModel;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly keys: KeyStore;
  /** Where the services will answer. */
  readonly endpointUrl: string;
  readonly dynamo: Dynamo;
}

/** The services by the name that a signature's scope has for them. */
export interface Services {
  readonly handlers: Readonly<Record<string, ServiceHandler>>;
  /** Sets going the executions of the last run; to be called once the services answer. */
  resume(): void;
  /** Ends executions, functions and uploads. */
  close(): Promise<void>;
}

/** Wires the services that the model asks for to each other. @throws CloudError DEFINITION_REFUSED, JOURNAL_BROKEN */
export function openServices({ model, dataDir, clock, keys, endpointUrl, dynamo }: ServicesDeps): Services {
  const { account, region, api } = model;
  const guard = { keys, region, clock };
  const events = createEvents({
    buses: ['default', ...model.buses],
    account,
    region,
    file: join(dataDir, 'events.jsonl'),
    clock,
  });
  const lambda = createLambda({
    functions: model.functions,
    clock,
    logDir: join(dataDir, 'logs'),
    variablesOf: (fn) => lambdaVariables(fn, { account, region, keys, endpointUrl }),
  });
  const delivery = new Delivery({
    rules: model.rules,
    invoke: async (arn, payload) => {
      if (isMachine(arn)) {
        await states.call('StartExecution', { stateMachineArn: arn, input: payload });
        return {};
      }
      const { functionError, payload: answer } = await lambda.invoke(arn, payload);
      return functionError === undefined ? {} : { error: JSON.parse(answer) as unknown };
    },
    dir: join(dataDir, 'deliveries'),
    queueDir: join(dataDir, 'queues'),
    clock,
  });
  events.subscribe(delivery.listen);
  const onTime = delivery.deliver.bind(delivery);
  const schedules = new Schedules({ rules: model.rules, dir: dataDir, clock, account, region, onTime });
  const states = createStates({
    machines: model.machines,
    dir: join(dataDir, 'executions'),
    clock,
    random: systemRandom,
    invoke: invokeForStates(lambda),
    putEvents: (Entries) => events.call('PutEvents', { Entries }),
    onEnd: (execution) => events.emit(executionEnded(execution)),
  });
  const onCreated = (object: CreatedObject) => {
    if (model.tellingBuckets.includes(object.bucket)) events.emit(objectCreated(object));
  };
  const s3 = createS3({ dir: join(dataDir, 'objects'), buckets: model.buckets, keys, clock, region, onCreated });
  const ok = (body: unknown) => ({ status: 200, body });
  return {
    handlers: {
      s3: s3.handle,
      sts: stsService(guard, model.roleArns),
      dynamodb: jsonService('dynamodb', guard, dynamo.call),
      states: jsonService('states', guard, async (operation, input) => ok(await states.call(operation, input))),
      events: jsonService('events', guard, async (operation, input) => ok(await events.call(operation, input))),
      ...(api === undefined ? {} : { 'execute-api': createGateway({ api, account, region, keys, clock, lambda }) }),
    },
    resume() {
      states.resume();
      delivery.resume();
      schedules.start();
    },
    async close() {
      schedules.stop();
      delivery.stop();
      await states.stop();
      await Promise.all([lambda.stop(), s3.close()]);
    },
  };
}

function isMachine(arn: string): boolean {
  return arn.startsWith('arn:aws:states:');
}
