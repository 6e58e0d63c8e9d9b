import { join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';

/**
 * Takes a state folder for this process and answers how to give it back. The lock ends with the process however that
 * ends. Errors: AGENT_RUNNING if another agent has it.
 */
export function lockStateFolder(folder: string, files: Files = systemFiles): () => void {
  const path = join(folder, 'agent.lock');
  try {
    return files.lock(path);
  } catch (cause) {
    throw new LayerMoverError('AGENT_RUNNING', `another agent uses the state folder ${folder}`, {
      hint: `end it first (fuser -v ${path} tells which), or give this one a state folder of its own`,
      data: { folder },
      cause,
    });
  }
}
