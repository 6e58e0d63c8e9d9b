import type { Measure } from '../../../core/metrics.ts';
import type { Fields, FunctionLog } from '../../../functions/log.ts';

/** A log and a measure that remember what they are told; errors go to `errors`. */
export function createTelling(errors: unknown[] = []) {
  const lines: Fields[] = [];
  const measured: Parameters<Measure>[] = [];
  let about: Fields = {};
  const tell = (message: string, fields: Fields = {}) => void lines.push({ ...about, ...fields, message });
  const log: FunctionLog = {
    about: (fields) => {
      about = { ...about, ...fields };
    },
    info: tell,
    warn: tell,
    error: (message, error) => {
      tell(message);
      errors.push(error);
    },
  };
  const measure: Measure = (...value) => void measured.push(value);
  const begin = () => {
    about = {};
  };
  return { log, lines, measure, measured, begin };
}
