import type { ErrorJson } from '../../core/errors.ts';
import type { Caught } from './input.ts';

/** What the workflow itself says, in words for whoever reads the migration's error. */
const OWN: Readonly<Record<string, ErrorJson>> = {
  'States.HeartbeatTimeout': {
    code: 'AGENT_SILENT',
    message: 'an agent stopped polling while it had work to do',
    hint: 'check that the agent runs and reaches the API, then resume the migration',
  },
  'States.Timeout': { code: 'TASK_TIMEOUT', message: 'an agent took longer than a task may take' },
};

/**
 * The error that a state caught. An agent's and a function's errors come as JSON in the cause; a function's lies in the
 * errorMessage of what Lambda makes of it.
 */
export function failureOf({ Error: name, Cause: cause }: Caught): ErrorJson {
  const own = OWN[name ?? ''];
  if (own !== undefined) return own;
  const told = parse(cause);
  const error = isError(told) ? told : parse((told as { errorMessage?: unknown } | undefined)?.errorMessage);
  if (isError(error)) return error;
  return { code: name || 'WORKFLOW_FAILED', message: 'the workflow failed; its history tells why' };
}

function parse(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function isError(value: unknown): value is ErrorJson {
  const { code, message } = (value ?? {}) as Partial<ErrorJson>;
  return typeof code === 'string' && typeof message === 'string';
}
