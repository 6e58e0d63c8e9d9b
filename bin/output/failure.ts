import { type ErrorJson, errorToJson, LayerMoverError } from '../../core/errors.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { jsonLine } from './json-lines.ts';
import { paintMessage } from './paint.ts';
import { visibleLines } from './visible.ts';

/** Says what went wrong on stderr: message, code and hint. Being asked to stop is no error. */
export function complain({ code, message, hint }: ErrorJson): void {
  const word = code === 'INTERRUPTED' ? paintMessage.yellow('stopped:') : paintMessage.red('error:');
  process.stderr.write(`${word} ${visibleLines(message)} ${paintMessage.dim(`(${code})`)}\n`);
  if (hint !== undefined) advise(hint);
}

/** Says on stderr what to do next. */
export function advise(hint: string): void {
  process.stderr.write(`${paintMessage.cyan('hint:')} ${visibleLines(hint)}\n`);
}

/** Says what went wrong, as JSON on stdout, too, if asked; sets the exit code. */
export function failure(error: unknown, json: boolean): void {
  const told = withHint(error, errorToJson(error));
  if (json) jsonLine('error', { error: told });
  complain(told);
  if (!(error instanceof LayerMoverError) && process.env.LAYERMOVER_DEBUG)
    process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = exitCodeOf(error);
}

/** Errors of the embedded cloud are not ours, but they have a hint, too. */
function withHint(error: unknown, told: ErrorJson): ErrorJson {
  const hint = (error as { hint?: unknown }).hint;
  return typeof hint === 'string' ? { ...told, hint } : told;
}
