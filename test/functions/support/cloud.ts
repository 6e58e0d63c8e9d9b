import type * as z from 'zod';
import type { AnswerOf, CallOf } from '../../../adapters/api/call.ts';
import { createMemoryCloud } from '../../../adapters/memory/cloud.ts';
import { createManualClock } from '../../../adapters/memory/manual-clock.ts';
import { type Route, type RouteName, routes } from '../../../core/api/routes.ts';
import type { TaskInput } from '../../../core/api/tasks.ts';
import { type Problem, problem } from '../../../core/api/views.ts';
import type { Clock } from '../../../core/ports.ts';
import { createHandler as createFingerprints } from '../../../functions/fingerprints/handler.ts';
import { createHandler as createGarbage } from '../../../functions/garbage/handler.ts';
import { createHandler as createHosts } from '../../../functions/hosts/handler.ts';
import { createHandler as createLayers } from '../../../functions/layers/handler.ts';
import { createHandler as createMigrations } from '../../../functions/migrations/handler.ts';
import { createHandler as createRebuild } from '../../../functions/rebuild/handler.ts';
import type { RestHandler } from '../../../functions/rest/handler.ts';
import { createHandler as createSteps } from '../../../functions/steps/handler.ts';
import { createHandler as createTasks } from '../../../functions/tasks/handler.ts';
import { type Asked, eventOf, userArn } from './event.ts';
import { createTelling } from './telling.ts';

type MemoryCloud = ReturnType<typeof createMemoryCloud>;

interface Options<C extends Clock> {
  readonly clock: C;
  /** Ports that stand in for those in memory. */
  readonly ports?: Partial<MemoryCloud>;
  readonly sampling?: number;
}

/** All functions over one cloud in memory. */
export function createTestCloud<C extends Clock>({ clock, ports = {}, sampling = 1 }: Options<C>) {
  const cloud = { ...createMemoryCloud(clock), ...ports };
  const logged: unknown[] = [];
  const { log, lines, measure, measured, begin } = createTelling(logged);
  const deps = { ...cloud, clock, sampling, log, measure };
  const handlers: Readonly<Record<Route['function'], RestHandler>> = {
    hosts: createHosts(deps),
    tasks: createTasks(deps),
    fingerprints: createFingerprints(deps),
    migrations: createMigrations(deps),
    layers: createLayers(deps),
    garbage: createGarbage(deps),
    rebuild: createRebuild(deps),
  };

  /** What a call says, its answer checked against the contract. Throws the answer if it is a problem. */
  async function call<N extends RouteName>(name: N, caller: string, asked: CallOf<N>, namespace?: string) {
    const headers = namespace === undefined ? {} : { 'X-LayerMover-Namespace': namespace };
    const { statusCode, body } = await send(name, { ...(asked as Asked), caller: userArn(caller), headers });
    if (statusCode !== 200) throw new Error(`${name}: ${body}`);
    const { answer } = routes[name] as Route;
    const told = answer === 'binary' ? Buffer.from(body, 'base64') : (answer as z.ZodType).parse(JSON.parse(body));
    return told as AnswerOf<N>;
  }

  async function send(name: RouteName, asked: Asked) {
    begin();
    return await handlers[routes[name].function](eventOf(name, asked));
  }

  /** The problem that a call is answered with. */
  async function refused<N extends RouteName>(name: N, caller: string, asked: Asked): Promise<Problem> {
    const { statusCode, body, headers } = await send(name, { ...asked, caller: userArn(caller) });
    if (statusCode === 200) throw new Error(`${name} was not refused: ${body}`);
    if (headers?.['content-type'] !== 'application/problem+json') throw new Error('not a problem');
    return problem.parse(JSON.parse(body));
  }

  return { ...cloud, clock, logged, lines, measured, log, measure, call, send, refused, step: createSteps(deps) };
}

export type TestCloud = Awaited<ReturnType<typeof createEnrolledCloud>>;

export const MIGRATION = `m${'1'.repeat(20)}`;

/** A cloud with the hosts a/h1 and b/h2, each enrolled by the user of its name. */
export async function createEnrolledCloud(options: { sampling?: number } = {}) {
  const cloud = createTestCloud({ clock: createManualClock(), ...options });
  for (const [site, host] of [['a', 'h1'] as const, ['b', 'h2'] as const]) {
    const body = { version: '1', vms: site === 'a' ? ['web-1', 'web-2'] : [], free_bytes: 1e12, layers: [] };
    await cloud.call('enrolHost', host, { params: { site, host }, body });
  }
  return cloud;
}

/** Posts a task as the workflow does; its token is waited for. */
export async function post(
  cloud: Pick<TestCloud, 'workflow' | 'tasks'>,
  host: 'a/h1' | 'b/h2',
  input: TaskInput,
  options: { token?: string; what?: string } = {},
) {
  const { token = `token-${input.kind}`, what = 'x' } = options;
  const id = `${MIGRATION}.${input.kind}.${what}`;
  const outcome = cloud.workflow.wait(token);
  const attempt = await cloud.tasks.post({ id, namespace: 'default', migration: MIGRATION, host, input, token });
  return { id, attempt, token, outcome };
}
