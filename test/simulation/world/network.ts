import type { Dice } from './dice.ts';
import type { EventLog } from './event-log.ts';
import type { Rates } from './faults.ts';
import type { SimulatedTime } from './time.ts';

export interface NetworkOptions {
  readonly time: SimulatedTime;
  readonly dice: Dice;
  readonly rates: () => Rates;
  readonly log: EventLog;
  /** Whose network it is, for the log. */
  readonly of: string;
}

/** Between one host and the cloud: requests and replies are delayed, lost or doubled. */
export class Network {
  readonly #options: NetworkOptions;
  /** Nothing passes while this is set. */
  cutOff = false;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Makes a call and brings its answer. What is lost is told as a broken connection, at once or after a while. */
  async exchange<T>(name: string, call: () => Promise<T>): Promise<T> {
    const { time, dice, rates, log, of } = this.#options;
    const { lostRequest, lostReply, duplicate, slow } = rates();
    const delay = () => time.sleep(dice.chance(slow) ? dice.scale(300, 60_000) : dice.scale(1, 60));
    await delay();
    if (this.cutOff || dice.chance(lostRequest)) {
      log.note(`${of} ${name} is lost`);
      throw await this.#broken();
    }
    if (dice.chance(duplicate)) {
      time.schedule(dice.scale(1, 40_000), () => void call().catch(() => undefined), `${name} again`);
    }
    const answer = await call().catch(async () => {
      log.note(`${of} ${name} dies in the cloud`);
      throw await this.#broken();
    });
    await delay();
    if (this.cutOff || dice.chance(lostReply)) {
      log.note(`${of} ${name} loses its reply`);
      throw await this.#broken();
    }
    return answer;
  }

  async #broken(): Promise<Error> {
    const { time, dice } = this.#options;
    await time.sleep(dice.chance(0.3) ? dice.scale(1_000, 60_000) : 1);
    return new Error('connection lost');
  }
}
