import type { APIGatewayProxyResult } from 'aws-lambda';
import { createMemoryCloud } from '../../../adapters/memory/cloud.ts';
import type { Route, RouteName } from '../../../core/api/routes.ts';
import { routes } from '../../../core/api/routes.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import type { Workflow } from '../../../core/ports.ts';
import { createHandler as createFingerprints } from '../../../functions/fingerprints/handler.ts';
import { createHandler as createGarbage } from '../../../functions/garbage/handler.ts';
import { createHandler as createPages } from '../../../functions/gc/handler.ts';
import { createHandler as createHosts } from '../../../functions/hosts/handler.ts';
import { createHandler as createLayers } from '../../../functions/layers/handler.ts';
import { createHandler as createMigrations } from '../../../functions/migrations/handler.ts';
import type { RestHandler } from '../../../functions/rest/handler.ts';
import { createHandler as createSteps } from '../../../functions/steps/handler.ts';
import { createHandler as createTasks } from '../../../functions/tasks/handler.ts';
import { collectionDefinition } from '../../../infra/workflow/collection.ts';
import { workflowDefinition } from '../../../infra/workflow/definition.ts';
import { ServiceError } from '../../../localstack/errors.ts';
import { createStates, type States } from '../../../localstack/states/api.ts';
import { type Asked, eventOf } from '../../functions/support/event.ts';
import type { Dice } from './dice.ts';
import type { EventLog } from './event-log.ts';
import type { Rates } from './faults.ts';
import { faulty, lagging } from './faulty-ports.ts';
import { invoke } from './invocation.ts';
import type { SimulatedTime } from './time.ts';

const MACHINE = 'arn:aws:states:eu-central-1:000000000000:stateMachine:workflow';
const COLLECTOR = 'arn:aws:states:eu-central-1:000000000000:stateMachine:collector';

export type Ports = Omit<ReturnType<typeof createMemoryCloud>, 'workflow' | 'collector'> & {
  readonly workflow: Workflow;
  readonly collector: Pick<Workflow, 'start'>;
};

export interface CloudOptions {
  readonly time: SimulatedTime;
  readonly dice: Dice;
  readonly rates: () => Rates;
  readonly log: EventLog;
  /** Stands between the functions, and the agents' object store, and the ports: what watches, or what a test breaks. */
  readonly between: (ports: Ports) => Ports;
}

/** All functions over a cloud in memory, under the real workflow, in simulated time and with faults. */
export class Cloud {
  readonly ports: Ports;
  /** Grows when the world is made older than any request can be: what was on its way before is lost. */
  era = 0;
  readonly #options: CloudOptions;
  readonly #states: States;
  readonly #deps: Ports & { clock: { nowMs(): number; sleep: never } };
  #handlers: Readonly<Partial<Record<Route['function'], RestHandler>>>;
  readonly #steps: (event: unknown) => Promise<object>;
  readonly #pages: (event: unknown) => Promise<object>;

  constructor(options: CloudOptions) {
    this.#options = options;
    const { time, dice, rates, between } = options;
    const clock = time.clock(() => 0);
    this.#states = createStates({
      machines: [
        { arn: MACHINE, name: 'workflow', definition: workflowDefinition('steps') },
        { arn: COLLECTOR, name: 'collector', definition: collectionDefinition('gc') },
      ],
      clock: { nowMs: () => time.nowMs(), schedule: (ms, action) => time.schedule(ms, action, 'states') },
      random: () => dice.next(),
      putEvents: async () => ({ FailedEntryCount: 0, Entries: [] }),
      invoke: (name, payload) => this.#invokeStep(name === 'gc' ? this.#pages : this.#steps, payload),
    });
    this.ports = between({
      ...createMemoryCloud(clock),
      workflow: this.#workflow(MACHINE),
      collector: this.#workflow(COLLECTOR),
    });
    const trouble = { rates, dice, time };
    const faults = Object.entries({ ...this.ports, tasks: lagging(this.ports.tasks, trouble) }).map(([name, port]) => [
      name,
      faulty(port, name, trouble),
    ]);
    this.#deps = { ...(Object.fromEntries(faults) as Ports), clock: clock as never };
    this.#handlers = this.#freshHandlers();
    this.#steps = createSteps(this.#functionDeps());
    this.#pages = createPages(this.#functionDeps());
  }

  /** Runs the function of a route. Rejects if it dies. */
  async handle(name: RouteName, asked: Asked): Promise<APIGatewayProxyResult> {
    const { dice, rates } = this.#options;
    if (dice.chance(rates().coldStart)) this.#handlers = this.#freshHandlers();
    const handler = this.#handlers[routes[name].function];
    return await invoke(() => handler!(eventOf(name, asked)));
  }

  async #invokeStep(step: (event: unknown) => Promise<object>, payload: unknown) {
    const { time, dice, rates, log } = this.#options;
    const about = payload as { step: string; kind?: string; what?: string; vm?: string };
    const name = [about.step, about.kind, about.what, about.vm].filter(Boolean).join(' ');
    const { lostRequest, lostReply, duplicate, slow } = rates();
    await time.sleep(dice.chance(slow) ? dice.scale(500, 200_000) : dice.scale(1, 100));
    const lost = { error: { errorType: 'Lambda.ServiceException', errorMessage: 'lost' } };
    if (dice.chance(lostRequest)) return lost;
    const once = () => invoke(() => step(payload));
    if (dice.chance(duplicate)) time.schedule(dice.scale(1, 20_000), () => void once().catch(() => undefined), 'again');
    try {
      const answer = await once();
      log.note(`step ${name}`);
      return dice.chance(lostReply) ? lost : { payload: answer };
    } catch (error) {
      const { name: errorType, message: errorMessage } = error as Error;
      log.note(`step ${name} fails: ${errorType}`);
      // What a function that died leaves behind is told as Lambda tells it.
      return { error: { errorType: errorType === 'Error' ? 'Lambda.Unknown' : errorType, errorMessage } };
    }
  }

  #freshHandlers(): Readonly<Partial<Record<Route['function'], RestHandler>>> {
    const deps = this.#functionDeps();
    return {
      hosts: createHosts(deps),
      tasks: createTasks(deps),
      fingerprints: createFingerprints(deps),
      migrations: createMigrations(deps),
      layers: createLayers(deps),
      garbage: createGarbage(deps),
    };
  }

  #functionDeps() {
    const { log, dice } = this.#options;
    const random = { bytes: (count: number) => dice.bytes(count) };
    const quiet = () => undefined;
    const error = (_: string, error: unknown) => log.note(`function error: ${(error as Error).message}`);
    const telling = { log: { about: quiet, info: quiet, warn: quiet, error }, measure: quiet };
    return { ...this.#deps, clock: this.#deps.clock as never, sampling: 2, layerUnusedDays: 180, random, ...telling };
  }

  #workflow(stateMachineArn: string): Workflow {
    const send = async (target: string, body: object) => {
      try {
        await this.#states.call(target, body);
      } catch (error) {
        if (error instanceof ServiceError && /^Task/.test(error.code))
          throw new LayerMoverError('TOKEN_DEAD', error.code);
        if (error instanceof ServiceError && error.code === 'ExecutionAlreadyExists') return;
        throw error;
      }
    };
    return {
      start: (id, input) => send('StartExecution', { stateMachineArn, name: id, input: JSON.stringify(input) }),
      succeed: (taskToken, output) => send('SendTaskSuccess', { taskToken, output: JSON.stringify(output) }),
      fail: (taskToken, { code, ...error }) =>
        send('SendTaskFailure', { taskToken, error: code, cause: JSON.stringify({ code, ...error }) }),
      beat: (taskToken) => send('SendTaskHeartbeat', { taskToken }),
    };
  }
}
