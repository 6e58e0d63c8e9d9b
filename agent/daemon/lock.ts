import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LayerMoverError } from '../../core/errors.ts';

/**
 * Takes a state folder for this process and answers how to give it back. The lock is the kernel's (SQLite holds it on
 * an empty file), so it ends with the process however that ends. Errors: AGENT_RUNNING if another agent has it.
 */
export function lockStateFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'agent.lock');
  const file = new DatabaseSync(path);
  try {
    file.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    file.close();
    throw new LayerMoverError('AGENT_RUNNING', `another agent uses the state folder ${folder}`, {
      hint: `end it first (fuser -v ${path} tells which), or give this one a state folder of its own`,
      data: { folder },
      cause,
    });
  }
  return () => file.close();
}
