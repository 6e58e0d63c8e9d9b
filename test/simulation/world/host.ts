import { MemoryFiles } from '../../../adapters/memory/files.ts';
import { immediateZstd } from '../../../adapters/system/zstd.ts';
import { type Agent, startAgent } from '../../../agent/agent.ts';
import { ImmediateScanner } from '../../../agent/scan/immediate.ts';
import { ChunkPool } from '../../../agent/scan/pool.ts';
import type { RouteName } from '../../../core/api/routes.ts';
import { errorToJson } from '../../../core/errors.ts';
import type { Files } from '../../../core/files.ts';
import { createSimulatedClient } from './client.ts';
import type { Cloud } from './cloud.ts';
import type { Dice } from './dice.ts';
import type { EventLog } from './event-log.ts';
import type { Plan, Rates } from './faults.ts';
import { Life } from './life.ts';
import { mortalFiles } from './mortal-files.ts';
import { Network } from './network.ts';
import { createSimulatedStore } from './object-store.ts';
import type { SimulatedTime } from './time.ts';

export const IMAGES = '/images';
/** Where an agent notes the VMs that arrived. */
export const VM_FILES = `${IMAGES}/.layermover/vms`;

/** Calls that every agent makes all the time, whatever it does. */
const WAITS = /^(sleep|poll|freeBytes|list|stat|resolve|readFile|fstat|read |close|open |makeFolder|enrolHost)/;

export interface HostOptions {
  readonly site: string;
  readonly host: string;
  readonly time: SimulatedTime;
  readonly dice: Dice;
  readonly rates: () => Rates;
  readonly log: EventLog;
  readonly cloud: Cloud;
  readonly deaths: Plan['deaths'];
  /** From here on nobody dies, and who is dead comes back. */
  readonly calmMs: () => number;
  /** Told before each call of the file system. */
  readonly onFile: (call: string, path: string) => void;
  readonly onCall: (name: RouteName, body: unknown) => void;
  /** Stands between the agent and its files: what a test breaks. */
  readonly between?: (files: Files) => Files;
}

/** A host: a disk that lasts, and an agent on it that may die at any call it makes and is started again later. */
export class Host {
  readonly ref: `${string}/${string}`;
  readonly files: MemoryFiles;
  readonly network: Network;
  readonly #options: HostOptions;
  readonly #deaths: { readonly afterCalls: number; readonly power: boolean; readonly restartMs: number }[];
  #changes = 0;
  #life: Life | undefined;
  #agent: Agent | undefined;
  #lives = 0;
  skewMs = 0;
  /** An error that an agent could not start with, and that no restart mends. */
  broken: unknown;

  constructor(options: HostOptions) {
    const { time, dice, rates, log, site, host, onFile } = options;
    this.ref = `${site}/${host}`;
    this.#options = options;
    this.#deaths = [...options.deaths].sort((a, b) => a.afterCalls - b.afterCalls);
    this.files = new MemoryFiles({
      nowMs: () => time.nowMs() + this.skewMs,
      chance: () => dice.next(),
      before: onFile,
    });
    this.network = new Network({ time, dice: dice.fork('network'), rates, log, of: this.ref });
  }

  get isUp(): boolean {
    return this.#agent !== undefined;
  }

  /** Starts the agent, and again after each death. */
  start(): void {
    void this.#run();
  }

  /** There is room again, and a network. */
  calm(): void {
    this.files.full = false;
    this.network.cutOff = false;
  }

  /** Ends the agent as SIGTERM does, for good. */
  async stop(): Promise<void> {
    this.#deaths.length = 0;
    await this.#agent?.stop();
    this.#agent = undefined;
  }

  async #run(): Promise<void> {
    const { time, dice, rates, log, cloud, site, host, onCall, between = (files) => files } = this.#options;
    const life = new Life((what) => this.#tick(life, what));
    this.#life = life;
    const name = `${this.ref}#${++this.#lives}`;
    log.note(`${name} starts`);
    const own = dice.fork(name);
    const mortal = (at: ReturnType<SimulatedTime['clock']>) => ({
      nowMs: () => at.nowMs(),
      sleep: (ms: number, signal?: AbortSignal) => life.through('sleep', () => at.sleep(ms, signal)),
    });
    const clock = mortal(time.clock(() => this.skewMs));
    const random = { bytes: (count: number) => own.bytes(count) };
    const reached = createSimulatedClient({ caller: host, cloud, network: this.network, clock, random, onCall });
    const api = {
      call: (route: RouteName, given: never) => life.through(route, () => reached.call(route, given)),
    } as typeof reached;
    const note = (fields: object, message: string) => {
      if (life.dead) return;
      const { task, attempt, error, vm } = fields as Record<string, string> & { error?: { code: string } };
      log.note([name, message, task, attempt, vm, error?.code].filter((each) => each !== undefined).join(' '));
    };
    const files = between(mortalFiles(this.files, life));
    const scanner = (buffers: readonly SharedArrayBuffer[]) => new ImmediateScanner(buffers, files.readAt);
    try {
      const agent = await startAgent({
        site,
        host,
        namespace: 'default',
        imageFolder: IMAGES,
        api,
        clock,
        random,
        objectStore: (given) =>
          createSimulatedStore({ ...given, cloud, network: this.network, life, time, dice: own, rates }),
        log: { info: note, warn: note, error: note },
        machine: {
          files,
          zstd: immediateZstd,
          pool: new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 64 * 1024, scanner }),
        },
      });
      if (!life.dead) this.#agent = agent;
    } catch (error) {
      if (life.dead) return;
      log.note(`${name} can’t start: ${errorToJson(error).code}`);
      life.dead = true;
      this.files.kill();
      this.#startAgain(life, 10_000);
      this.broken = error;
    }
  }

  /** Before each call of the agent to the outside. */
  #tick(life: Life, what: string): Promise<void> | undefined {
    const { time, dice, rates, log, calmMs } = this.#options;
    if (!WAITS.test(what)) this.#changes++;
    const death = this.#deaths[0];
    if (death !== undefined && this.#changes >= death.afterCalls && time.sinceStartMs < calmMs()) {
      this.#deaths.shift();
      log.note(`${this.ref} ${death.power ? 'loses power' : 'is killed'} before ${what}`);
      life.dead = true;
      this.#agent = undefined;
      if (death.power) this.files.crash();
      else this.files.kill();
      this.#startAgain(life, Math.min(death.restartMs, calmMs() - time.sinceStartMs));
      return undefined;
    }
    return dice.chance(rates().yields) ? time.sleep(dice.scale(0.1, 500)) : undefined;
  }

  #startAgain(life: Life, afterMs: number): void {
    this.#options.time.schedule(
      afterMs,
      () => {
        if (this.#life === life) this.start();
      },
      `${this.ref} restarts`,
    );
  }
}
