import { errorToJson } from '../core/errors.ts';

/** Tells whoever operates the functions of an error that its caller is not told. */
export type LogError = (error: unknown, about: Readonly<Record<string, unknown>>) => void;

/** One JSON line on stderr, from where Lambda takes it to the log. */
export const logError: LogError = (error, about) => {
  const stack = error instanceof Error ? error.stack : undefined;
  process.stderr.write(`${JSON.stringify({ level: 'error', ...about, error: errorToJson(error), stack })}\n`);
};
