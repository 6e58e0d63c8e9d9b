import { Logger } from '@aws-lambda-powertools/logger';
import type { Context } from 'aws-lambda';
import { errorToJson, LayerMoverError } from '../core/errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** What a function tells whoever operates it: a JSON line each. */
export interface FunctionLog {
  /** Every further line of this invocation is about this, too. */
  about(fields: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, error: unknown): void;
}

/** The log of a deployed function, by Powertools: stdout and stderr, from where Lambda takes it. */
export interface LambdaLog extends FunctionLog {
  begin(context: Context): void;
  end(): void;
}

export function createLambdaLog(): LambdaLog {
  const logger = new Logger();
  return {
    begin: (context) => logger.addContext(context),
    end: () => logger.resetKeys(),
    about: (fields) => logger.appendKeys({ ...fields }),
    info: (message, fields = {}) => logger.info(message, { ...fields }),
    warn: (message, fields = {}) => logger.warn(message, { ...fields }),
    error: (message, error) =>
      logger.error(message, { error: errorToJson(error), stack: error instanceof Error ? error.stack : undefined }),
  };
}

/** What a line may say of an error that the caller is told, too. */
export function refusalOf(error: unknown): Fields {
  if (!(error instanceof LayerMoverError)) return {};
  const { code, message, data } = error;
  return { code, detail: message, ...(data === undefined ? {} : { data }) };
}
