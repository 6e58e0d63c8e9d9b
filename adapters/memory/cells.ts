import { plain } from '../rules/plain.ts';
import type { Step } from '../rules/step.ts';

export interface Cells<Record> {
  read(key: string): Record | undefined;
  /** Every record, ascending by key. */
  all(): Record[];
  /** Reads a record, decides, stores: as one. */
  step<Answer>(key: string, decide: (known: Record | undefined) => Step<Record, Answer>): Answer;
}

/** Records in memory, each changed only as a whole. */
export function createCells<Record>(): Cells<Record> {
  const records = new Map<string, Record>();
  const read = (key: string) => {
    const known = records.get(key);
    return known && plain(known);
  };
  return {
    read,
    all: () => [...records.keys()].sort().map((key) => read(key)!),
    step(key, decide) {
      const { answer, next } = decide(read(key));
      if (next !== undefined) records.set(key, plain(next));
      return answer;
    },
  };
}
