import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../localstack/clock.ts';
import type { Events } from '../../localstack/events/api.ts';
import { createEvents } from '../../localstack/events/api.ts';

/** EventBridge with the buses main and default and a log in a scratch directory. */
export class TestEvents {
  readonly events: Events;
  readonly #dir = mkdtempSync(join(tmpdir(), 'events-'));
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.events = this.reopen();
  }

  get file(): string {
    return join(this.#dir, 'log', 'events.jsonl');
  }

  /** The same buses and log after a restart. */
  reopen(): Events {
    return createEvents({
      buses: ['main', 'default'],
      account: '000000000000',
      region: 'eu-central-1',
      file: this.file,
      clock: this.#clock,
    });
  }

  logged(file = this.file): { bus: string; event: Record<string, unknown> }[] {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
    return lines.map((line) => JSON.parse(line));
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true });
  }
}
