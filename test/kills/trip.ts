import { clientOf } from '../../bin/connection.ts';
import type { MigrationView } from '../../core/api/views.ts';
import { chanceOf } from './chance.ts';
import { hashesOf } from './hashes.ts';
import { type Images, makeImages } from './images.ts';
import { judge, untilNothing } from './judge.ts';
import { type Call, type Ended, World } from './world.ts';

const CLEAN_MS = 20_000;

/** One migration of one VM or more from a/h1 to b/h2, whose agents the test starts as it likes. */
export class Trip {
  readonly world: World;
  readonly vms: readonly string[];
  readonly before: ReadonlyMap<string, string>;

  private constructor(world: World, vms: readonly string[], before: ReadonlyMap<string, string>) {
    this.world = world;
    this.vms = vms;
    this.before = before;
  }

  static async prepare(
    dataMib: Images['dataMib'],
    options: { vms?: readonly string[]; world?: Parameters<typeof World.open>[0] } = {},
  ): Promise<Trip> {
    const { vms = ['web-1'] } = options;
    const world = await World.open(options.world);
    await makeImages(world.imagesOf('a'), { vms, dataMib }, chanceOf(1));
    return new Trip(world, vms, await hashesOf(world.imagesOf('a')));
  }

  async startAgents(): Promise<void> {
    await Promise.all([this.world.agent('a').start(), this.world.agent('b').start()]);
    await this.world.enrolled();
  }

  /** The same words each time: the second call is the same migration again. */
  migrate(requestId = 'the-one-trip'): Call {
    const route = ['--to', 'b/h2', '--from', 'a/h1', '--policy', 'kind', '--chunk', '4096', '--request-id', requestId];
    return this.world.call('migrate', ...this.vms, ...route);
  }

  /** The newest migration as the cloud has it. */
  async migration(): Promise<MigrationView | undefined> {
    const client = clientOf(this.world.operator);
    const { migrations } = await client.call('listMigrations', { query: { limit: 1 } });
    const [newest] = migrations;
    return newest && (await client.call('getMigration', { params: { migration: newest.id } }));
  }

  /** What is wrong after the migration has committed; nothing if all is well. */
  judge(): Promise<string[]> {
    return judge(this.world, this.vms, this.before, CLEAN_MS);
  }

  close(): Promise<void> {
    return this.world.close();
  }
}

/** Resolves as soon as `holds`; throws if that takes too long. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  const left = await untilNothing(async () => ((await holds()) ? [] : [what]), withinMs);
  if (left.length > 0) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
}

/** The last JSON line that a call printed. */
export function lastLine({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout.trim().split('\n').at(-1) || '{}') as Record<string, unknown>;
}
