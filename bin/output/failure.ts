import pc from 'picocolors';
import { type ErrorJson, errorToJson, LayerMoverError } from '../../core/errors.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { jsonLine } from './json-lines.ts';

/** Says what went wrong on stderr: message, code and hint. */
export function complain(error: ErrorJson): void {
  process.stderr.write(`${pc.red('error:')} ${error.message} ${pc.dim(`(${error.code})`)}\n`);
  if (error.hint !== undefined) process.stderr.write(`${pc.cyan('hint:')} ${error.hint}\n`);
}

/** Says what went wrong, as JSON on stdout, too, if asked; sets the exit code. */
export function failure(error: unknown, json: boolean): void {
  const told = errorToJson(error);
  if (json) jsonLine('error', { error: told });
  complain(told);
  if (!(error instanceof LayerMoverError) && process.env.LAYERMOVER_DEBUG)
    process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = exitCodeOf(error);
}
