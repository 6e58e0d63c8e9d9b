import { DEFAULT_NAMESPACE } from '../../core/api/names.ts';
import type { RegistrationRequest } from '../../core/api/registrations.ts';
import type { MigrationView } from '../../core/api/views.ts';
import type { LocalCloud } from './local-cloud.ts';

type Words = Readonly<Record<string, unknown>>;

/** What a state of the workflow fails with: name and cause, as a Catch sees them. */
class StateFailed extends Error {
  readonly caught: { Error: string; Cause: string };
  constructor(code: string, cause: unknown) {
    super(code);
    this.caught = { Error: code, Cause: JSON.stringify(cause) };
  }
}

/** Plays the workflow of a migration, state by state, as infra/workflow defines it (without its timers). */
export class Workflow {
  readonly #cloud: LocalCloud;
  readonly #namespace: string;
  readonly #migration: string;
  readonly #run: number;
  #tokens = 0;
  /** The latest token of each task state, to be abandoned by a test. */
  readonly tokens = new Map<string, string>();

  constructor(
    cloud: LocalCloud,
    migration: string,
    { run = 1, namespace = DEFAULT_NAMESPACE }: { run?: number; namespace?: string } = {},
  ) {
    this.#namespace = namespace;
    this.#cloud = cloud;
    this.#migration = migration;
    this.#run = run;
  }

  async run(): Promise<MigrationView> {
    try {
      await this.#move();
    } catch (error) {
      if (!(error instanceof StateFailed)) throw error;
      await this.#step('rollback', { error: error.caught });
    }
    for (let round = 0; ; round++) if (!(await this.#step('finish', { round })).more) break;
    return this.#cloud.apiOf(this.#namespace).call('getMigration', { params: { migration: this.#migration } });
  }

  async #move(): Promise<void> {
    const { sources, vms, destination } = (await this.#step('prepare')) as {
      sources: { host: string }[];
      vms: { vm: string }[];
      destination: string;
    };
    await Promise.all(sources.map(({ host }) => this.#task('survey', host)));
    const { seeding, seeds } = (await this.#step('plan')) as { seeding: boolean; seeds: { host: string }[] };
    const push = async () => {
      await all(seeds.map(({ host }) => this.#task('seed', host)));
      await Promise.all(vms.map(({ vm }) => this.#moveVm(vm)));
    };
    await all([push(), seeding ? this.#task('fetch', destination) : Promise.resolve()]);
  }

  async #moveVm(vm: string): Promise<void> {
    try {
      const source = this.#step('decide', { vm, round: 0 }).then(() => this.#task('cutover', vm));
      await all([source, this.#task('follow', vm)]);
      await this.#step('verify', { vm });
      await this.#step('commit', { vm });
    } catch (error) {
      if (!(error instanceof StateFailed)) throw error;
      await this.#step('rollback-vm', { vm, error: error.caught });
    }
  }

  /** A token state; a test that abandons its token has it dispatched anew, as a heartbeat that was missed does. */
  async #task(kind: string, what: string): Promise<void> {
    for (;;) {
      const token = `token-${this.#migration}-${this.#run}-${++this.#tokens}`;
      this.tokens.set(`${kind} ${what}`, token);
      const told = this.#cloud.ports.workflow.wait(token);
      await this.#step('dispatch', { kind, what, token });
      const outcome = await told;
      if (outcome.status === 'succeeded') return;
      if (outcome.error.code !== 'TEST_ABANDONED') throw new StateFailed(outcome.error.code, outcome.error);
    }
  }

  async #step(step: string, words: Words = {}): Promise<Words> {
    try {
      return (await this.#cloud.step({ step, migration: this.#migration, run: this.#run, ...words })) as Words;
    } catch (error) {
      const { name, message } = error as Error;
      throw new StateFailed(name, JSON.parse(message));
    }
  }
}

/** Waits for all; what fails first is thrown at once, as in a Parallel. */
async function all(branches: readonly Promise<void>[]): Promise<void> {
  for (const branch of branches) branch.catch(() => undefined);
  await Promise.all(branches);
}

/** Asks for a migration and plays it. */
export async function migrate(
  cloud: LocalCloud,
  request: {
    vms: string[];
    to: `${string}/${string}`;
    policy?: 'auto' | 'kind' | 'dedup' | 'direct';
    chunk_bytes?: number;
  },
  namespace = DEFAULT_NAMESPACE,
): Promise<{ id: string; workflow: Workflow; ended: Promise<MigrationView> }> {
  const body = { request_id: `request-${++requests}`, ...request };
  const { id } = await cloud.apiOf(namespace).call('createMigration', { body });
  const workflow = new Workflow(cloud, id, { namespace });
  return { id, workflow, ended: workflow.run() };
}
let requests = 0;

/** Asks for a registration, by the host a/h1 unless told, and plays it. */
export async function register(
  cloud: LocalCloud,
  request: Pick<RegistrationRequest, 'files' | 'kind'> & Partial<Pick<RegistrationRequest, 'host' | 'publish'>>,
) {
  const body = { request_id: `request-${++requests}`, host: 'a/h1' as const, ...request };
  const { id } = await cloud.api.call('registerLayers', { body });
  await new Workflow(cloud, id).run();
  return cloud.api.call('getRegistration', { params: { migration: id } });
}
