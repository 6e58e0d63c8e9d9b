import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from '../adapters/api/client.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { connect } from '../bin/connection.ts';
import type { Service } from '../bin/demo/process.ts';
import type { MigrationView } from '../core/api/views.ts';
import { limits } from '../core/limits.ts';
import { hasEnded } from '../core/migration.ts';
import { LinkedAgent, type Way } from './linked-agent.ts';
import { start } from './services.ts';

/** Each look is work for the cloud, on cores that it shares with the agents. */
const LOOK_EVERY_MS = 2_000;

export interface Moved {
  /** From the request to the end of the migration, by the clock that cloud and bench share. */
  readonly seconds: number;
  /** What crossed the source's link, both ways, and the destination's. */
  readonly sourceBytes: number;
  readonly destinationBytes: number;
  readonly migration: MigrationView;
}

/** The embedded cloud and an agent at each of two sites behind a link, as a user would run them. Images of site x lie in `<folder>/x`. */
export class LinkedStage {
  readonly #folder: string;
  readonly #agents: LinkedAgent[] = [];
  #cloud: Service | undefined;
  #client: ApiClient | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `way` is how each of them reaches the cloud. */
  async start(way: Way): Promise<void> {
    for (const side of ['a', 'b']) mkdirSync(join(this.#folder, side), { recursive: true });
    this.#cloud = await start(
      ['cloud', 'start', '--data', join(this.#folder, 'cloud')],
      join(this.#folder, 'cloud.log'),
    );
    const cloudFile = String(this.#cloud.ready.cloud_file);
    this.#client = await connect(cloudFile);
    for (const side of ['a', 'b']) this.#agents.push(await LinkedAgent.start(this.#folder, side, { cloudFile, way }));
  }

  /** Moves VMs as one migration. Throws if one does not arrive equal. */
  async move(vms: readonly string[], policy: 'auto' | 'direct' | 'dedup' = 'auto'): Promise<Moved> {
    const client = this.#client!;
    const before = this.#agents.map(({ link }) => link.bytes);
    const beganMs = systemClock.nowMs();
    const where = { to: 'b/h1', from: 'a/h1' } as const;
    const how = { policy, chunk_bytes: limits.chunk_bytes_default };
    const body = { request_id: `bench-${vms.join('.')}`.slice(0, 64), vms: [...vms], ...where, ...how };
    const { id } = await client.call('createMigration', { body });
    for (;;) {
      const migration = await client.call('getMigration', { params: { migration: id } });
      if (hasEnded(migration.state)) {
        if (!migration.vms.every(({ equal }) => equal === true)) throw new Error(JSON.stringify(migration));
        const [source, destination] = this.#agents.map(({ link }, at) => link.bytes - before[at]!);
        const seconds = (migration.ended_ms! - beganMs) / 1000;
        return { seconds, sourceBytes: source!, destinationBytes: destination!, migration };
      }
      await systemClock.sleep(LOOK_EVERY_MS);
    }
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) await agent.stop();
    await this.#cloud?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
