import {
  DeleteRuleCommand,
  EventBridgeClient,
  ListRulesCommand,
  ListTargetsByRuleCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import type { CloudFile } from '../../bin/connection.ts';
import { type Observer, type Refused, type Told, until } from './observed.ts';
import { clientConfig, Services, servicesOf } from './services.ts';
import { callSqs, receive, remove } from './sqs.ts';

const PROBE = 'e2e.probe';
const OPEN_MS_MAX = 60_000;
const TARGET = 'queue';

/** A rule on the bus with a queue as its target, as others would have; and the stack's own queue of refused events. */
export class QueueObserver implements Observer {
  readonly #cloud: CloudFile;
  readonly #bridge: EventBridgeClient;
  readonly #told: Told[] = [];
  readonly #refused: Refused[] = [];
  #queue = '';

  private constructor(cloud: CloudFile) {
    this.#cloud = cloud;
    this.#bridge = new EventBridgeClient(clientConfig(cloud));
  }

  /** Hears everything from here on. */
  static async open(cloud: CloudFile): Promise<QueueObserver> {
    const observer = new QueueObserver(cloud);
    try {
      await observer.#listen();
      return observer;
    } catch (error) {
      await observer.close();
      throw error;
    }
  }

  async events(): Promise<Told[]> {
    for (const message of await receive(this.#cloud, this.#queue)) {
      this.#told.push(JSON.parse(message.body) as Told);
      await remove(this.#cloud, this.#queue, message);
    }
    return this.#told.filter((event) => event['detail-type'] !== PROBE);
  }

  /** Takes what is of the namespace, and leaves the rest to whom it belongs. */
  async refused(): Promise<Refused[]> {
    const { refused_queue: queue } = servicesOf(this.#cloud);
    if (queue === undefined) throw new Error('the cloud file tells no queue of refused events');
    for (const message of await receive(this.#cloud, queue)) {
      if (!message.body.includes(this.#cloud.namespace)) continue;
      this.#refused.push(JSON.parse(message.body) as Refused);
      await remove(this.#cloud, queue, message);
    }
    return this.#refused;
  }

  async close(): Promise<void> {
    this.#bridge.destroy();
    await stopListening(this.#cloud, this.#cloud.namespace);
  }

  async #listen(): Promise<void> {
    const { region, namespace: name } = this.#cloud;
    const { bus: EventBusName } = servicesOf(this.#cloud);
    const EventPattern = JSON.stringify({ detail: { namespace: [name] } });
    const { RuleArn } = await this.#bridge.send(new PutRuleCommand({ Name: name, EventBusName, EventPattern }));
    const account = RuleArn!.split(':')[4];
    const arn = `arn:aws:sqs:${region}:${account}:${name}`;
    const Attributes = { Policy: JSON.stringify(policyOf(arn, RuleArn!)), MessageRetentionPeriod: '3600' };
    const made = await callSqs(this.#cloud, 'CreateQueue', { QueueName: name, Attributes });
    this.#queue = String(made.QueueUrl);
    const Targets = [{ Id: TARGET, Arn: arn }];
    await this.#bridge.send(new PutTargetsCommand({ EventBusName, Rule: name, Targets }));
    await this.#hearProbe(name);
  }

  /** A new rule may miss the first events of its bus. */
  async #hearProbe(namespace: string): Promise<void> {
    const services = new Services(this.#cloud);
    const look = async () => {
      await services.emit(PROBE, { namespace });
      await this.events();
      return this.#told;
    };
    const heard = await until(look, (told) => told.length > 0, OPEN_MS_MAX);
    services.close();
    if (heard.length === 0) throw new Error(`the queue ${this.#queue} hears nothing of the bus`);
  }
}

/** Removes the rules of the bus and the queues whose names begin so: those of the namespaces that do. */
export async function stopListening(cloud: CloudFile, prefix: string): Promise<void> {
  const bridge = new EventBridgeClient(clientConfig(cloud));
  const { bus: EventBusName } = servicesOf(cloud);
  const { Rules = [] } = await bridge.send(new ListRulesCommand({ EventBusName, NamePrefix: prefix }));
  for (const { Name } of Rules) {
    const { Targets = [] } = await bridge.send(new ListTargetsByRuleCommand({ EventBusName, Rule: Name }));
    const Ids = Targets.map(({ Id }) => Id!);
    if (Ids.length > 0) await bridge.send(new RemoveTargetsCommand({ EventBusName, Rule: Name, Ids }));
    await bridge.send(new DeleteRuleCommand({ EventBusName, Name }));
  }
  bridge.destroy();
  const { QueueUrls = [] } = (await callSqs(cloud, 'ListQueues', { QueueNamePrefix: prefix })) as {
    QueueUrls?: string[];
  };
  for (const QueueUrl of QueueUrls) await callSqs(cloud, 'DeleteQueue', { QueueUrl });
}

function policyOf(queueArn: string, ruleArn: string) {
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: queueArn,
    Condition: { ArnEquals: { 'aws:SourceArn': ruleArn } },
  };
  return { Version: '2012-10-17', Statement: [statement] };
}
