import { plain } from '../rules/plain.ts';
import type { Step } from '../rules/step.ts';

export interface Cells<Record> {
  read(key: string): Record | undefined;
  /** Every record that is wanted, ascending by key. */
  all(isWanted: (known: Record) => boolean): Record[];
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
    all: (isWanted) => {
      const wanted = [...records].filter(([, known]) => isWanted(known));
      return wanted.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, known]) => plain(known));
    },
    step(key, decide) {
      const { answer, next } = decide(read(key));
      if (next !== undefined) records.set(key, plain(next));
      return answer;
    },
  };
}
