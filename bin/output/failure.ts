import pc from 'picocolors';
import { errorToJson, LayerMoverError } from '../../core/errors.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { jsonLine } from './json-lines.ts';

/** Says what went wrong: message and hint on stderr, as JSON on stdout if asked; sets the exit code. */
export function failure(error: unknown, json: boolean): void {
  const told = errorToJson(error);
  if (json) jsonLine('error', { error: told });
  process.stderr.write(`${pc.red('error:')} ${told.message} ${pc.dim(`(${told.code})`)}\n`);
  if (told.hint !== undefined) process.stderr.write(`${pc.cyan('hint:')} ${told.hint}\n`);
  if (!(error instanceof LayerMoverError) && process.env.LAYERMOVER_DEBUG)
    process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = exitCodeOf(error);
}
