import { createHash } from 'node:crypto';

/** What happened, in order, as a digest; kept in full only if asked for. */
export class EventLog {
  readonly #hash = createHash('sha256');
  readonly #nowMs: () => number;
  readonly lines: string[] | undefined;
  count = 0;

  constructor(nowMs: () => number, keep: boolean) {
    this.#nowMs = nowMs;
    this.lines = keep ? [] : undefined;
  }

  note(text: string): void {
    const line = `${(this.#nowMs() / 1000).toFixed(3)} ${text}`;
    this.#hash.update(`${line}\n`);
    this.lines?.push(line);
    this.count++;
  }

  /** Ends the log. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
