import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Cost } from './command.ts';

/** What one tool came to, in one run. */
export interface Figures {
  readonly name: string;
  readonly isProduct: boolean;
  readonly deduplicates: boolean;
  /** It was given raw disks, not the layers' files: what a goal sets the product against. */
  readonly isGoal: boolean;
  /** After the OS layer and all working environments. */
  readonly storedBytes: number;
  readonly ingest: Cost;
  /** What one VM on one of them added. */
  readonly vmBytes: number;
  readonly vm: Cost;
  /** Until that VM's disk is back, durable. */
  readonly restore?: Cost | undefined;
}

/** The lengths of all files below a folder. */
export function bytesBelow(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
