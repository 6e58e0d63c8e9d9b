import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from '../adapters/api/client.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { connect } from '../bin/connection.ts';
import type { Service } from '../bin/demo/process.ts';
import type { MigrationView } from '../core/api/views.ts';
import { limits } from '../core/limits.ts';
import { hasEnded } from '../core/migration.ts';
import { figuresOf, type ProcessFigures } from './process-figures.ts';
import { start } from './services.ts';

const LOOK_EVERY_MS = 50;

type Side = 'a' | 'b';

/** The embedded cloud and an agent at each of two sites, as processes; images of site x lie in `<folder>/x`. */
export class Stage {
  readonly folder: string;
  #client: ApiClient | undefined;
  #cloudFile = '';
  #cloud: Service | undefined;
  readonly #agents = new Map<Side, Service>();

  constructor(folder: string) {
    this.folder = folder;
    for (const side of ['a', 'b']) mkdirSync(join(folder, side), { recursive: true });
  }

  async start(): Promise<void> {
    const words = ['cloud', 'start', '--data', join(this.folder, 'cloud')];
    this.#cloud = await start(words, join(this.folder, 'cloud.log'));
    this.#cloudFile = String(this.#cloud.ready.cloud_file);
    this.#client = await connect(this.#cloudFile);
    await this.restartAgents();
  }

  /** Fresh agents: what the kernel counts begins anew. */
  async restartAgents(): Promise<void> {
    for (const side of ['a', 'b'] as const) {
      await this.#agents.get(side)?.stop();
      const place = ['--site', side, '--host', 'h1', '--images', join(this.folder, side), '--cloud', this.#cloudFile];
      this.#agents.set(side, await start(['agent', ...place], join(this.folder, `agent-${side}.log`)));
    }
  }

  figures(side: Side): ProcessFigures {
    return figuresOf(this.#agents.get(side)!.pid);
  }

  /** Moves a VM from site a to site b. Throws if it does not arrive equal. */
  async migrate(vm: string): Promise<MigrationView> {
    const client = this.#client!;
    const body = {
      request_id: `bench-${vm}-request`,
      vms: [vm],
      to: 'b/h1',
      from: 'a/h1',
      policy: 'kind' as const,
      chunk_bytes: limits.chunk_bytes_default,
    };
    const { id } = await client.call('createMigration', { body });
    for (;;) {
      const migration = await client.call('getMigration', { params: { migration: id } });
      if (hasEnded(migration.state)) {
        if (migration.vms[0]?.equal === true) return migration;
        throw new Error(`${vm} did not arrive: ${JSON.stringify(migration)}`);
      }
      await systemClock.sleep(LOOK_EVERY_MS);
    }
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents.values()) await agent.stop();
    await this.#cloud?.stop();
  }
}
