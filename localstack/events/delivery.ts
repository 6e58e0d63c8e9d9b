import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { RuleModel, TargetModel } from '../assembly/model.ts';
import { type Clock, delay } from '../clock.ts';
import type { Listener } from './api.ts';
import { limits } from './limits.ts';
import { matches } from './pattern.ts';
import { transform } from './transform.ts';

export interface DeliveryOptions {
  readonly rules: readonly RuleModel[];
  /** Gives a function, or an execution of a state machine, JSON; throws or answers an error if that failed. */
  readonly invoke: (arn: string, payload: string) => Promise<{ readonly error?: unknown }>;
  /** Deliveries under way, a file each. */
  readonly dir: string;
  /** Dead-letter queues: `<name>.jsonl`. */
  readonly queueDir: string;
  readonly clock: Clock;
}

interface Waiting {
  readonly target: TargetModel;
  readonly event: object;
}

/**
 * Hands events to the targets that rules name, at least once: a delivery is on disk before it begins, and what the last
 * run left is delivered again. One that fails for good goes to its target's queue.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #slots = pLimit(limits.deliveries_at_once);
  #stopped = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    mkdirSync(options.dir, { recursive: true });
    mkdirSync(options.queueDir, { recursive: true });
  }

  /** Sees every event of the buses. */
  readonly listen: Listener = (event, bus) => {
    for (const rule of this.#options.rules) {
      if (rule.pattern === undefined || rule.bus !== bus || !matches(rule.pattern, event)) continue;
      this.deliver(rule, event);
    }
  };

  /** Hands an event to all targets of one rule. */
  deliver(rule: RuleModel, event: object): void {
    for (const target of rule.targets) this.#start({ target, event });
  }

  /** Delivers what an earlier run did not come to. */
  resume(): void {
    const { dir } = this.#options;
    for (const name of readdirSync(dir)) {
      const file = join(dir, name);
      const waiting = parse(readFileSync(file, 'utf8'));
      // The event of a torn file was refused to whoever sent it.
      if (waiting === undefined) rmSync(file);
      else void this.#slots(() => this.#deliver(file, waiting));
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#slots.clearQueue();
  }

  #start(waiting: Waiting): void {
    const file = join(this.#options.dir, `${randomUUID()}.json`);
    writeFileSync(file, JSON.stringify(waiting), { flush: true });
    void this.#slots(() => this.#deliver(file, waiting));
  }

  async #deliver(file: string, { target, event }: Waiting): Promise<void> {
    const { clock, queueDir } = this.#options;
    const payload = inputOf(target, event);
    let error: unknown;
    for (let attempt = 0; attempt < target.attempts; attempt++) {
      if (attempt > 0) await delay(clock, limits.delivery_pause_ms);
      if (this.#stopped) return;
      error = await this.#attempt(target.arn, payload);
      if (this.#stopped) return;
      if (error === undefined) break;
    }
    if (error !== undefined && target.queue !== undefined) {
      const line = JSON.stringify(refused(target, payload, error));
      appendFileSync(join(queueDir, `${target.queue}.jsonl`), `${line}\n`, { flush: true });
    }
    rmSync(file, { force: true });
  }

  async #attempt(arn: string, payload: string): Promise<unknown> {
    try {
      return (await this.#options.invoke(arn, payload)).error;
    } catch (error) {
      return String(error);
    }
  }
}

/** Source: "Destination record", Lambda's guide on asynchronous invocations. */
function refused({ arn, attempts }: TargetModel, payload: string, error: unknown): object {
  return {
    version: '1.0',
    requestContext: { functionArn: arn, condition: 'RetriesExhausted', approximateInvokeCount: attempts },
    requestPayload: JSON.parse(payload) as unknown,
    responsePayload: error,
  };
}

function inputOf({ input, transformer }: TargetModel, event: object): string {
  if (input !== undefined) return input;
  return transformer === undefined ? JSON.stringify(event) : transform(transformer, event);
}

function parse(text: string): Waiting | undefined {
  try {
    return JSON.parse(text) as Waiting;
  } catch {
    return undefined;
  }
}
