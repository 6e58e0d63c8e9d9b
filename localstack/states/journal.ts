import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CloudError } from '../errors.ts';
import type { Entry, Started } from './run.ts';

/**
 * The entries of one execution, a JSON line each, in a file. An entry is written before it is acted on, so that what a
 * caller was told survives the death of the process (not of the machine: lines are not synced one by one).
 */
export interface Journal {
  append(line: string): void;
  remove(): void;
}

/** For a cloud without a directory. */
export const noJournal: Journal = { append: () => {}, remove: () => {} };

export function journalFile(dir: string, machineName: string, name: string): string {
  return join(dir, machineName, `${name}.jsonl`);
}

export function openJournal(file: string): Journal {
  mkdirSync(dirname(file), { recursive: true });
  return {
    append: (line) => appendFileSync(file, `${line}\n`),
    remove: () => rmSync(file, { force: true }),
  };
}

/** All journals below a directory. */
export function listJournals(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.jsonl'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * Reads a journal. A last line that is torn was never acted on and is cut off; a journal without its first line is of
 * an execution that no one was told of and is removed.
 * @throws CloudError JOURNAL_BROKEN when any other line is no JSON
 */
export function readJournal(file: string): { started: Started; entries: Entry[] } | undefined {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) truncateSync(file, end);
  const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  const [started, ...entries] = lines.map((line, index) => parseLine(file, line, index + 1));
  if (started === undefined) {
    rmSync(file);
    return undefined;
  }
  return { started: started as Started, entries: entries as Entry[] };
}

function parseLine(file: string, line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw brokenJournal(file, number, error);
  }
}

export function brokenJournal(file: string, line: number, cause: unknown): CloudError {
  return new CloudError(
    'JOURNAL_BROKEN',
    `${file}, line ${line}: ${cause instanceof Error ? cause.message : String(cause)}`,
    'Remove the file: its execution is lost, the others start again.',
    cause,
  );
}
