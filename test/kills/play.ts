import { arm } from './arm.ts';
import { chanceOf } from './chance.ts';
import { hashesOf } from './hashes.ts';
import { type Images, makeImages } from './images.ts';
import { judge } from './judge.ts';
import { drawKill, type Kill, type Victim } from './points.ts';
import { packBytesMost, packBytesSent } from './sent.ts';
import type { Service } from './service.ts';
import { type Call, World } from './world.ts';

/** What a run does: what is moved, and what is killed when. All of it follows from the seed. */
export interface Play {
  readonly seed: number;
  readonly images: Images;
  readonly kills: readonly Kill[];
}

export interface Played {
  readonly problems: readonly string[];
  /** Kills that came to strike before the migration had ended. */
  readonly struck: number;
  readonly milliseconds: number;
  /** Bytes of packs that were sent. */
  readonly sentBytes: number;
  readonly folder: string;
}

const CALLS_MAX = 30;
const CLEAN_MS = 20_000;

export function drawPlay(seed: number): Play {
  const chance = chanceOf(seed);
  const isGang = chance.next() < 0.3;
  const big = chance.next() < 0.1;
  return {
    seed,
    images: {
      vms: isGang ? ['web-1', 'web-2'] : ['web-1'],
      dataMib: { os: big ? chance.int(70, 100) : chance.int(1, 12), we: chance.int(1, 6), top: chance.int(1, 8) },
    },
    kills: Array.from({ length: chance.pick([1, 1, 2, 2, 3]) }, () => drawKill(chance)),
  };
}

/** Plays one run in a folder of its own; the folder stays if `keep` or something was wrong. */
export async function play({ seed, images, kills }: Play, keep = false): Promise<Played> {
  const beganMs = performance.now();
  const world = await World.open();
  const chance = chanceOf(seed ^ 0x5eed);
  await makeImages(world.imagesOf('a'), images, chance);
  const before = await hashesOf(world.imagesOf('a'));
  const stage = new Stage(world);
  let problems: string[] = ['it was not played to its end'];
  try {
    await Promise.all([stage.begin('a'), stage.begin('b')]);
    await world.enrolled();
    await stage.migrate(kills, [
      'migrate',
      ...images.vms,
      '--to',
      'b/h2',
      '--from',
      'a/h1',
      // However slow the machine is, the same requests are made.
      '--policy',
      'kind',
      '--chunk',
      '4096',
      '--request-id',
      `kills-run-${seed}`,
    ]);
    problems = [...stage.problems, ...(await judge(world, images.vms, before, CLEAN_MS))];
    const most = await packBytesMost(world, kills);
    if (packBytesSent(world) > most)
      problems.push(`${packBytesSent(world)} bytes of packs were sent, not ${most} at most`);
  } catch (error) {
    problems = [String((error as Error).stack)];
  }
  const sentBytes = packBytesSent(world);
  await world.close(keep || problems.length > 0);
  return { problems, struck: stage.struck, milliseconds: performance.now() - beganMs, sentBytes, folder: world.folder };
}

/** Runs the processes, strikes them down and starts them again. */
class Stage {
  readonly #world: World;
  readonly problems: string[] = [];
  struck = 0;
  #call: Call | undefined;
  readonly #restarts = new Set<Promise<void>>();

  constructor(world: World) {
    this.#world = world;
  }

  async begin(site: 'a' | 'b'): Promise<void> {
    await this.#world.agent(site).start();
  }

  /** The same command again until it says how the migration ended. */
  async migrate(kills: readonly Kill[], words: readonly string[]): Promise<void> {
    const points = kills.map(({ point }) => point);
    const disarm = arm(this.#world.front, points, {
      strike: (at) => this.#restarts.add(this.#strike(kills[at]!)),
      note: (line) => this.#world.note(line),
    });
    for (let calls = 1; ; calls++) {
      this.#call = this.#world.call(...words);
      const { code, stdout, stderr } = await this.#call.ended;
      this.#world.note(`the command ended with ${code}`);
      if (code === 0) break;
      if ((code !== 'SIGKILL' && code !== 4) || calls === CALLS_MAX) {
        this.problems.push(`the command ended with ${code}: ${stderr} ${stdout.slice(-2000)}`);
        break;
      }
    }
    disarm();
    await Promise.all(this.#restarts);
  }

  async #strike({ victims, restartMs }: Kill): Promise<void> {
    this.struck++;
    this.#world.note(`kill -9 ${victims.join(', ')}; again after ${restartMs} ms`);
    await Promise.all(victims.map((victim) => this.#kill(victim)));
    await new Promise((resolve) => setTimeout(resolve, restartMs));
    await Promise.all(victims.map((victim) => this.#restart(victim)));
  }

  async #kill(victim: Victim): Promise<void> {
    if (victim === 'cli') this.#call?.kill('SIGKILL');
    else await this.#service(victim).kill();
  }

  async #restart(victim: Victim): Promise<void> {
    if (victim === 'cli') return;
    const service = this.#service(victim);
    // Another kill may have started it again meanwhile, or come in between.
    while (!service.running) await service.start();
  }

  #service(victim: Exclude<Victim, 'cli'>): Service {
    return victim === 'cloud' ? this.#world.cloud : this.#world.agents.get(victim)!;
  }
}
