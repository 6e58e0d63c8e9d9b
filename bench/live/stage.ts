import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { connect } from '../../bin/connection.ts';
import { killLaunched } from '../../bin/demo/live/guests.ts';
import type { Service } from '../../bin/demo/process.ts';
import type { Blackout, Cutover } from '../../core/api/tasks.ts';
import type { VmView } from '../../core/api/views.ts';
import { limits } from '../../core/limits.ts';
import { hasEnded } from '../../core/migration.ts';
import { LinkedAgent, type Way } from '../linked-agent.ts';
import { start } from '../services.ts';
import { bootGuest, killGuest, launcher, type Place } from './guests.ts';

const LOOK_EVERY_MS = 500;

/** A VM that has moved, and what its pause was. */
export type MovedVm = VmView & {
  readonly blackout: Blackout;
  /** What crossed the source's link meanwhile, both ways, and the destination's. */
  readonly sourceBytes: number;
  readonly destinationBytes: number;
};

/** The embedded cloud, and an agent at each of two sites behind a link: all that goes to the cloud or comes from it crosses one. */
export class LiveStage {
  readonly #folder: string;
  readonly #agents: LinkedAgent[] = [];
  #cloud: Service | undefined;
  #client: ApiClient | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Guests are made before the agents run: these tell of them at once. */
  async start(makeGuests: (at: Place) => Promise<void>, way: Way): Promise<void> {
    for (const side of ['a', 'b'] as const) mkdirSync(this.images(side), { recursive: true });
    await makeGuests({ images: this.images('a'), state: this.#at('a.state') });
    this.#cloud = await start(['cloud', 'start', '--data', this.#at('cloud')], this.#at('cloud.log'));
    const cloudFile = String(this.#cloud.ready.cloud_file);
    this.#client = await connect(cloudFile);
    writeFileSync(this.#at('launcher.json'), JSON.stringify(launcher(this.images('b'))));
    const launcherFile = this.#at('launcher.json');
    for (const side of ['a', 'b']) {
      this.#agents.push(await LinkedAgent.start(this.#folder, side, { cloudFile, way, launcherFile }));
    }
  }

  /** Boots a guest, moves it from a to b, and ends it. Throws if it does not arrive equal, or nobody measured its pause. */
  async move(vm: string, cutover: Cutover): Promise<MovedVm> {
    const guest = await bootGuest(vm, this.images('a'));
    try {
      return await this.migrate(vm, cutover);
    } finally {
      await killGuest(guest);
      await this.clear(vm);
    }
  }

  /** Ends what runs of a VM at b, and removes its disk there. */
  async clear(vm: string): Promise<void> {
    await killLaunched(this.#at('b.state'));
    rmSync(join(this.images('b'), `${vm}.qcow2`), { force: true });
  }

  /** Moves a guest that runs from a to b. Throws if it does not arrive equal, or nobody measured its pause. */
  async migrate(vm: string, cutover: Cutover): Promise<MovedVm> {
    const client = this.#client!;
    const before = this.#agents.map(({ link }) => link.bytes);
    const live = { cutover, max_downtime_ms: limits.downtime_ms_default, on_no_convergence: 'cutover' } as const;
    const about = { request_id: `bench-${vm}`, to: 'b/h1', from: 'a/h1', mode: 'live', live } as const;
    const body = { ...about, vms: [vm] };
    const { id } = await client.call('createMigration', { body });
    for (;;) {
      const migration = await client.call('getMigration', { params: { migration: id } });
      const [moved] = migration.vms;
      if (hasEnded(migration.state)) {
        const blackout = moved?.live?.blackout;
        const [sourceBytes, destinationBytes] = this.#agents.map(({ link }, at) => link.bytes - before[at]!);
        const crossed = { sourceBytes: sourceBytes!, destinationBytes: destinationBytes! };
        if (moved?.equal === true && blackout !== undefined) return { ...moved, ...crossed, blackout };
        throw new Error(`${vm} did not arrive: ${JSON.stringify(migration)}`);
      }
      await systemClock.sleep(LOOK_EVERY_MS);
    }
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) await agent.stop();
    await this.#cloud?.stop();
    await killLaunched(this.#at('b.state'));
  }

  /** The folder of a site's images, in which its guests' monitors are, too. */
  images(side: 'a' | 'b'): string {
    return this.#at(side);
  }

  #at(name: string): string {
    return join(this.#folder, name);
  }
}
