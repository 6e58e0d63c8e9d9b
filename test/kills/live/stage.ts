import { clientOf } from '../../../bin/connection.ts';
import type { MigrationView } from '../../../core/api/views.ts';
import { limits } from '../../../core/limits.ts';
import { arm } from '../arm.ts';
import type { World } from '../world.ts';
import type { Guests, Site } from './guests.ts';
import type { LiveStrike, LiveVictim } from './points.ts';
import { ownerOf } from './registry.ts';

const CALLS_MAX = 10;
const LOOK_MS = 200;
/** However long a destination hangs, a guest that is its source's goes on by then. */
const SILENT_MS = limits.pause_ms_max + limits.guest_told_ms + 15_000;

/** Runs the command, strikes at what it needs, and does what an operator does after that. */
export class LiveStage {
  readonly #world: World;
  readonly #guests: Guests;
  readonly problems: string[] = [];
  /** VMs whose QEMU was killed, at either site. */
  readonly hurt = new Set<string>();
  struck = 0;
  readonly #restarts = new Set<Promise<void>>();

  constructor(world: World, guests: Guests) {
    this.#world = world;
    this.#guests = guests;
  }

  /** The same command, then `resume`, until the migration is committed or aborted. */
  async migrate(strikes: readonly LiveStrike[], words: readonly string[]): Promise<void> {
    const points = strikes.map(({ point }) => point);
    const disarm = arm(this.#world.front, points, {
      strike: (at) => this.#restarts.add(this.#strike(strikes[at]!)),
      note: (line) => this.#world.note(line),
    });
    let next = words;
    for (let calls = 1; ; calls++) {
      const struckBefore = this.struck;
      const { code, stderr } = await this.#world.call(...next).ended;
      await Promise.all(this.#restarts);
      const found = await this.migration();
      this.#world.note(`${next[0]} ended with ${code}: ${found?.state} ${found?.error?.code ?? ''}`);
      if (found?.state === 'committed' || found?.state === 'aborted') break;
      if (calls === CALLS_MAX || (found === undefined && code !== 4)) {
        this.problems.push(`${next[0]} ended with ${code}: ${stderr.slice(-2000)}`);
        break;
      }
      if (found?.state !== 'failed') continue;
      if (next[0] === 'resume' && this.struck === struckBefore)
        this.problems.push(`nothing was killed, and it failed: ${JSON.stringify(found.error)}`);
      await this.#revive(found.vm_names);
      next = ['resume', found.id];
    }
    disarm();
    await Promise.all(this.#restarts);
  }

  /** The newest migration as the cloud has it. */
  async migration(): Promise<MigrationView | undefined> {
    const client = clientOf(this.#world.operator);
    const { migrations } = await client.call('listMigrations', { query: { limit: 1 } });
    const [newest] = migrations;
    return newest && (await client.call('getMigration', { params: { migration: newest.id } }));
  }

  /** Starts a VM again at its source where its QEMU was killed: its migration has ended, and the VM is the source's. */
  async #revive(vms: readonly string[]): Promise<void> {
    for (const vm of vms) {
      const isHere = (await this.#guests.pids('a', vm)).length > 0;
      if (isHere || (await ownerOf(this.#world, vm)) !== 'a/h1') continue;
      if (!this.hurt.has(vm))
        this.problems.push(`${vm} is its source's and does not run there, though nobody killed it`);
      this.#world.note(`${vm} is started at a again`);
      await this.#guests.start('a', vm);
      if (!(await this.#guests.goesOn(vm, 60_000))) this.problems.push(`${vm} does not boot at its source`);
    }
  }

  async #strike(strike: LiveStrike): Promise<void> {
    this.struck++;
    if (strike.hangMs === undefined) await this.#end(strike);
    else await this.#hang(strike.hangMs, strike);
  }

  /** An owner that hangs owes the guest nothing before it goes on; nobody else may run it. */
  async #hang(ms: number, { victims, vm }: Pick<LiveStrike, 'victims' | 'vm'>): Promise<void> {
    this.#world.note(`${victims.join(', ')} hangs for ${ms} ms`);
    const agents = victims.map((victim) => this.#service(victim as 'a' | 'b'));
    for (const agent of agents) agent.signal('SIGSTOP');
    const endMs = performance.now() + ms;
    let last = { acks: 0, atMs: performance.now() };
    while (performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const acks = (await this.#guests.acks(vm)).length;
      if (acks > last.acks) last = { acks, atMs: performance.now() };
    }
    const silentMs = Math.round(performance.now() - last.atMs);
    this.#world.note(`${victims.join(', ')} goes on; ${vm} has been silent for ${silentMs} ms`);
    if (silentMs > SILENT_MS && (await ownerOf(this.#world, vm)) === 'a/h1')
      this.problems.push(`${vm} was silent at its source for ${silentMs} ms`);
    for (const agent of agents) agent.signal('SIGCONT');
  }

  async #end({ victims, restartMs, vm }: LiveStrike): Promise<void> {
    this.#world.note(`kill -9 ${victims.join(', ')} (${vm}); again after ${restartMs} ms`);
    await Promise.all(victims.map((victim) => this.#kill(victim, vm)));
    await new Promise((resolve) => setTimeout(resolve, restartMs));
    await Promise.all(victims.map((victim) => this.#restart(victim)));
  }

  async #kill(victim: LiveVictim, vm: string): Promise<void> {
    if (victim === 'nobody') return;
    if (victim === 'abort') return this.#abort();
    if (victim !== 'qemu-a' && victim !== 'qemu-b') return this.#service(victim).kill();
    this.hurt.add(vm);
    if (!(await this.#guests.kill(victim.at(-1) as Site, vm))) this.#world.note(`there is no ${victim}`);
  }

  async #abort(): Promise<void> {
    const client = clientOf(this.#world.operator);
    const found = await this.migration().catch(() => undefined);
    if (found === undefined) return;
    await client.call('abortMigration', { params: { migration: found.id } }).catch((error: Error) => {
      this.#world.note(`abort: ${error.message}`);
    });
  }

  async #restart(victim: LiveVictim): Promise<void> {
    if (victim !== 'a' && victim !== 'b' && victim !== 'cloud') return;
    const service = this.#service(victim);
    // Another strike may have started it again meanwhile, or come in between.
    while (!service.running) await service.start();
  }

  #service(victim: 'a' | 'b' | 'cloud') {
    return victim === 'cloud' ? this.#world.cloud : this.#world.agents.get(victim)!;
  }
}
