import { readFileSync } from 'node:fs';

/** What the kernel counts of a process of this user. Bytes. */
export interface ProcessFigures {
  /** All that it read, resident or not. */
  readonly readBytes: number;
  /** Most memory that it ever had at a time. */
  readonly memoryBytesMax: number;
}

/** Linux alone tells this. */
export function figuresOf(pid: number): ProcessFigures {
  return {
    readBytes: numberIn(`/proc/${pid}/io`, /^rchar: (\d+)$/m),
    memoryBytesMax: 1024 * numberIn(`/proc/${pid}/status`, /^VmHWM:\s+(\d+) kB$/m),
  };
}

function numberIn(path: string, pattern: RegExp): number {
  const found = pattern.exec(readFileSync(path, 'utf8'));
  if (found === null) throw new Error(`${path} does not tell ${pattern.source}`);
  return Number(found[1]);
}
