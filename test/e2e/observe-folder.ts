import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Observer, Refused, Told } from './observed.ts';

/** What an embedded cloud keeps in its folder: a log of its buses, and a file a queue. */
export class FolderObserver implements Observer {
  readonly #folder: string;
  readonly #namespace: string;

  constructor(folder: string, namespace: string) {
    this.#folder = folder;
    this.#namespace = namespace;
  }

  async events(): Promise<Told[]> {
    const lines = readLines(path.join(this.#folder, 'events.jsonl')) as { bus: string; event: Told }[];
    return lines.map(({ event }) => event).filter(({ detail }) => detail.namespace === this.#namespace);
  }

  async refused(): Promise<Refused[]> {
    const folder = path.join(this.#folder, 'queues');
    const records = readdirSync(folder).flatMap((name) => readLines(path.join(folder, name)) as Refused[]);
    return records.filter(({ requestPayload }) => JSON.stringify(requestPayload).includes(this.#namespace));
  }

  async close(): Promise<void> {}
}

function readLines(file: string): unknown[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  // What comes after the last end of a line is still being written.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as unknown);
}
