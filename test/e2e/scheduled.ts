import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationView } from '../../core/api/views.ts';
import { hasEnded } from '../../core/migration.ts';
import type { AgentProcess } from './agent-process.ts';
import { compare, makeLayers } from './chain.ts';
import { Stage } from './stage.ts';

/** The evacuation of a host that a deployment's schedule asks for, and the two hosts that it is about. */
const NAMESPACE = 'e2e-scheduled';
const VM = 'nightly';
const LOOK_MS = 250;

/** For `schedules` of the plain app's context: asks for it at an expression's times. */
export function schedulesAt(schedule: string): string {
  return JSON.stringify([{ schedule, evacuate: { namespace: NAMESPACE, from: 'a/h1', to: 'b/h2' } }]);
}

export class ScheduledMove {
  readonly #stage: Stage;
  readonly #from: AgentProcess;
  readonly #to: AgentProcess;

  private constructor(stage: Stage, from: AgentProcess, to: AgentProcess) {
    this.#stage = stage;
    this.#from = from;
    this.#to = to;
  }

  /** Both hosts are there, and the first has a VM. */
  static async open(file?: string): Promise<ScheduledMove> {
    const stage = await Stage.open({ namespace: NAMESPACE, ...(file === undefined ? {} : { file }) });
    const [from, to] = [await stage.host('a', 'h1'), await stage.host('b', 'h2')];
    await makeLayers(from.images, [{ name: `${VM}.qcow2`, at: 0, megabytes: 2 }]);
    // The destination first: the schedule may come as soon as there is something to move.
    await to.start();
    await from.start();
    return new ScheduledMove(stage, from, to);
  }

  async migrations(): Promise<readonly Pick<MigrationView, 'state' | 'vm_names'>[]> {
    const { migrations } = await this.#stage.api.call('listMigrations');
    return migrations.map(({ state, vm_names }) => ({ state, vm_names }));
  }

  /** Waits until a migration that nobody here has asked for has ended, and compares what arrived. */
  async arrived(msMax: number): Promise<readonly Pick<MigrationView, 'state' | 'vm_names'>[]> {
    const end = performance.now() + msMax;
    for (;;) {
      const found = await this.migrations();
      if (found.length > 0 && found.every(({ state }) => hasEnded(state))) break;
      if (performance.now() > end) throw new Error(`not moved: ${JSON.stringify(found)}`);
      await sleep(LOOK_MS);
    }
    await compare(path.join(this.#from.images, `${VM}.qcow2`), path.join(this.#to.images, `${VM}.qcow2`));
    return await this.migrations();
  }

  close(): Promise<void> {
    return this.#stage.close();
  }
}

export const MOVED = [{ state: 'committed', vm_names: [VM] }];
